import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { UsageError } from './errors.ts'
import { type ProgramSpec, readOptions } from './options.ts'

interface Options {
  readonly listenOn: string
  readonly port: number
  readonly pool: readonly string[]
}

const spec: ProgramSpec<Options> = {
  name: 'overlay-test',
  description: 'A program for tests.',
  options: [
    { flags: '--listen-on <address>', description: 'where' },
    { flags: '--port <port>', description: 'which' },
    { flags: '--pool <cidr>', description: 'several', repeatable: true },
  ],
  schema: z.object({
    listenOn: z
      .string()
      .regex(/^[\d.]+$/, 'must be an address')
      .default('127.0.0.1'),
    port: z.coerce.number('must be a number').max(65_535, 'must be a port').default(1),
    pool: z.array(z.string(), 'must be a list').default([]),
  }),
  examples: 'Examples:\n  overlay-test --port 7',
}

let directory = ''
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-options-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function fileWith(content: string): string {
  const path = join(directory, 'config.yaml')
  writeFileSync(path, content)
  return path
}

function refusal(flags: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  try {
    readOptions(spec, flags, env)
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    return (error as Error).message
  }
  throw new Error('it was not refused')
}

describe('precedence', () => {
  const env = { OVERLAY_PORT: '20', OVERLAY_LISTEN_ON: '10.0.0.2', OVERLAY_POOL: 'a,b' }

  it('without anything the defaults hold', () => {
    expect(readOptions(spec, [], {})).toEqual({ listenOn: '127.0.0.1', port: 1, pool: [] })
  })

  it('flags win over the environment, which wins over the file', () => {
    const file = fileWith('port: 30\nlistenOn: 10.0.0.3\npool: [x]\n')
    const fromFile = readOptions(spec, ['--config', file], {})
    expect(fromFile).toEqual({ listenOn: '10.0.0.3', port: 30, pool: ['x'] })
    const fromEnvironment = readOptions(spec, ['--config', file], env)
    expect(fromEnvironment).toEqual({ listenOn: '10.0.0.2', port: 20, pool: ['a', 'b'] })
    const fromFlags = readOptions(spec, ['--config', file, '--port', '10', '--pool', 'p', '--pool', 'q'], env)
    expect(fromFlags).toEqual({ listenOn: '10.0.0.2', port: 10, pool: ['p', 'q'] })
  })

  it('an empty variable is none, and an empty file has no options', () => {
    expect(readOptions(spec, ['--config', fileWith('')], { OVERLAY_PORT: '' }).port).toBe(1)
  })
})

describe('refusals', () => {
  it('names all wrong options at once, as flags, and all unknown ones', () => {
    const file = fileWith('listenOn: everywhere\nprot: 7\npool: 10.0.0.0/8\n')
    expect(refusal(['--config', file], { OVERLAY_PORT: '99999' }).split('\n').toSorted()).toEqual([
      '--listen-on: must be an address',
      '--pool: must be a list',
      '--port: must be a port',
      'prot: no such option',
    ])
  })

  it.each([
    [['--prot', '7'], "unknown option '--prot', did you mean --port?"],
    [
      ['--prot', '7', '--pool', 'x', '--no-such=y', '-z', '--port', '7', '-', '--', '-y'],
      "unknown option '--prot', did you mean --port?; unknown option '--no-such'; unknown option '-z'",
    ],
    [['--port'], "option '--port <port>' argument missing"],
    [['extra'], 'too many arguments'],
  ])('%j: %s', (flags, text) => {
    expect(refusal(flags)).toMatch(text)
    expect(refusal(flags)).toMatch('(see overlay-test --help)')
  })

  it.each([
    ['- a\n- b\n', 'must be a mapping of options'],
    ['port: [1', 'Flow sequence'],
  ])('a file with %j: %s', (content, text) => {
    const file = fileWith(content)
    expect(refusal(['--config', file])).toMatch(`--config ${file}: `)
    expect(refusal(['--config', file])).toMatch(text)
  })

  it('a fault of no option in particular stands alone', () => {
    const whole = { ...spec, schema: spec.schema.refine(() => false, 'they contradict each other') }
    expect(() => readOptions(whole, [], {})).toThrow(/^they contradict each other$/)
  })

  it('a file that is not there', () => {
    expect(refusal(['--config', join(directory, 'none')])).toMatch('ENOENT')
  })
})

it.each([
  ['--help', /Usage: overlay-test[\s\S]*--listen-on <address>[\s\S]*Examples:/],
  ['--version', /^\d+\.\d+\.\d+/],
])('%s prints and ends the process with 0', (flag, text) => {
  const ended = new Error('exit')
  const exit = vi.spyOn(process, 'exit').mockImplementation((code) => {
    expect(code).toBe(0)
    throw ended
  })
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  try {
    expect(() => readOptions(spec, [flag], {})).toThrow(ended)
    expect(write.mock.calls.join('')).toMatch(text)
  } finally {
    exit.mockRestore()
    write.mockRestore()
  }
})
