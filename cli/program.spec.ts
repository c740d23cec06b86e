import { afterEach, describe, expect, it } from 'vitest'
import { version } from '../lib/version.ts'
import { type FakeCluster, startFakeCluster } from './testing/cluster.ts'
import { invoke } from './testing/invoke.ts'

let cluster: FakeCluster | undefined
afterEach(() => cluster?.close())

const commands = [
  'create',
  'update',
  'ls',
  'inspect',
  'rm',
  'prune',
  'apply',
  'diff',
  'attach',
  'detach',
  'endpoint',
  'endpoint ls',
  'endpoint inspect',
  'run',
  'ipam',
  'ipam show',
  'ipam check',
  'ipam release',
  'ipam history',
  'node',
  'node ls',
  'node inspect',
  'node rm',
  'status',
  'events',
  'cluster',
  'cluster init',
  'cluster join',
  'cluster leave',
  'cluster status',
  'cluster token',
  'cluster token create',
  'cluster token ls',
  'cluster token rm',
  'cluster login',
  'cluster certs',
  'cluster certs ls',
  'cluster certs renew',
  'cluster certs rotate-ca',
  'cluster certs revoke',
  'cluster backup',
  'cluster restore',
  'completion',
]

it.each(commands)('%s --help has a paragraph and examples', async (command) => {
  const { code, stdout, stderr } = await invoke(undefined, [...command.split(' '), '--help'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(new RegExp(`^Usage: overlayctl ${command}\\b.*\\n\\n[A-Z][^]*\\.\\n\\n`))
  expect(stdout).toContain('--controller <host:port>')
  expect(stdout).toMatch(new RegExp(`\\nExamples:\\n {2}overlayctl ${command}\\b`))
})

it('--help groups the commands', async () => {
  const { code, stdout } = await invoke(undefined, ['--help'])
  expect(code).toBe(0)
  expect(stdout.match(/^[A-Z][\w ]+:$/gm)).toEqual([
    'Options:',
    'Networks:',
    'Endpoints:',
    'Addresses:',
    'Cluster:',
    'This program:',
    'Examples:',
  ])
  expect(stdout).toContain('[OVERLAY_TLS_CA]')
})

it('--version prints it', async () => {
  expect(await invoke(undefined, ['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
})

describe('wrong usage', () => {
  const see = '(see "overlayctl --help")'
  it.each([
    ['foo', `unknown command 'foo' ${see}`],
    ['inspec', `unknown command 'inspec': Did you mean inspect? ${see}`],
    ['node foo', `unknown command 'foo' (see "overlayctl node --help")`],
    ['--foo ls', `unknown option '--foo' (see "overlayctl ls --help")`],
    ['ls web', `too many arguments for 'ls'. Expected 0 arguments but got 1. (see "overlayctl ls --help")`],
    ['ls -o foo', '-o: "foo" is none of table, wide, json, yaml, name'],
    ['-o', `option '-o, --output <format>' argument missing ${see}`],
    ['ls --timeout never', '--timeout: "never" is not a number of seconds (for example 10 or 0.5)'],
    ['ls --timeout -1', '--timeout: "-1" is not a number of seconds (for example 10 or 0.5)'],
    [
      'ls --timeout 0 -o x --controller y',
      '--controller: "y" is not HOST:PORT (for example 127.0.0.1:4780 or [::1]:4780); -o: "x" is none of table, wide, json, yaml, name; --timeout: "0" is not a number of seconds (for example 10 or 0.5)',
    ],
    ['ls --timeout 0', '--timeout: "0" is not a number of seconds (for example 10 or 0.5)'],
    ['ls --timeout 99999999999', '--timeout: 99999999999 is too long: at most 2000000 seconds'],
    [
      'plan --node a --node b',
      '--node: is given more than once, as "a" and "b": give it once (see "overlayctl plan --help")',
    ],
    [
      '-o json ls --output=json',
      '--output: is given more than once, as "json" and "json": give it once (see "overlayctl ls --help")',
    ],
    [
      'ipam history --ip 10.0.9.7 --ip 10.0.9.8',
      '--ip: is given more than once, as "10.0.9.7" and "10.0.9.8": give it once (see "overlayctl ipam history --help")',
    ],
    ['ls --controller here', '--controller: "here" is not HOST:PORT (for example 127.0.0.1:4780 or [::1]:4780)'],
    [
      'ls --controller ::1:4780',
      '--controller: "::1:4780" is not HOST:PORT (for example 127.0.0.1:4780 or [::1]:4780)',
    ],
    ['ls --controller h:70000', '--controller: "h:70000" is not HOST:PORT (for example 127.0.0.1:4780 or [::1]:4780)'],
    ['run -- true', `required option '--network <name>' not specified (see "overlayctl run --help")`],
    ['run --network web', `missing required argument 'command' (see "overlayctl run --help")`],
  ])('%s', async (line, message) => {
    expect(await invoke(undefined, line.split(' '))).toEqual({
      code: 2,
      stdout: '',
      stderr: `overlayctl: ${message}\n`,
    })
  })

  it('is no command at all, which shows help', async () => {
    const result = await invoke(undefined, [])
    expect(result).toMatchObject({ code: 2, stdout: '' })
    expect(result.stderr).toMatch(/^Usage: overlayctl/)
  })

  it('is a variable with a wrong value, which is named', async () => {
    expect(await invoke(undefined, ['ls'], { env: { OVERLAY_OUTPUT: 'foo' } })).toMatchObject({
      code: 2,
      stderr: 'overlayctl: OVERLAY_OUTPUT: "foo" is none of table, wide, json, yaml, name\n',
    })
  })
})

describe('global options', () => {
  it.each([
    [['-o', 'name', 'ls'], {}],
    [['ls', '-o', 'name'], {}],
    [['ls', '-oname'], {}],
    [['--output=name', 'ls'], { OVERLAY_OUTPUT: 'json' }],
    [['ls'], { OVERLAY_OUTPUT: 'name', OVERLAY_TIMEOUT: '' }],
  ])('%j with %j prints names', async (argv, env) => {
    cluster = await startFakeCluster()
    expect(await invoke(cluster, argv, { env })).toEqual({ code: 0, stdout: 'db\nweb\n', stderr: '' })
  })

  it('take the flag over the environment', async () => {
    cluster = await startFakeCluster()
    const env = { OVERLAY_CONTROLLER: '127.0.0.1:1' }
    const result = await invoke(undefined, ['ls', '-o', 'name', '--controller', cluster.controller], { env })
    expect(result.stdout).toBe('db\nweb\n')
  })

  it.each([
    [['--tls-ca', '/nowhere/ca.pem'], '--tls-ca /nowhere/ca.pem: cannot be read: '],
    [['--tls-cert', 'c.pem'], 'TLS needs --tls-ca: '],
  ])('%j is told to be wrong', async (flags, message) => {
    const { code, stderr } = await invoke(undefined, ['ls', ...flags])
    expect(code).toBe(1)
    expect(stderr).toContain(`overlayctl: ${message}`)
  })
})

describe('names that are given again', () => {
  it.each([
    ['rm web db web', 'networks.remove', ['web', 'db']],
    ['inspect web web', 'networks.get', ['web']],
    ['endpoint inspect a b a', 'endpoints.get', ['a', 'b']],
    ['node inspect h2 h1 h2', 'nodes.get', ['h2', 'h1']],
    ['node drain --keep-endpoints h1 h1', 'nodes.drain', ['h1']],
    ['node undrain h1 h1', 'nodes.undrain', ['h1']],
    ['node rm h1 h1', 'nodes.remove', ['h1']],
    ['node resync h1 h1', 'nodes.resync', ['h1']],
    ['verify --node h1 --node h1', 'nodes.verify', ['h1']],
    ['ipam release web 10.0.9.7 10.0.9.7', 'ipam.release', ['10.0.9.7']],
  ])('%s works on each once, in their order', async (line, method, names) => {
    cluster = await startFakeCluster()
    expect(await invoke(cluster, line.split(' '))).toMatchObject({ code: 0 })
    const asked = cluster.calls.filter((call) => call.method === method)
    expect(asked.map(({ request }) => Object.values(request as object))).toEqual(
      names.map((name) => expect.arrayContaining([name])),
    )
  })
})
