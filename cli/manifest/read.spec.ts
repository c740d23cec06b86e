import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { Faults } from '../../lib/faults.ts'
import { parseCidr } from '../../lib/ip.ts'
import { Network } from '../../proto/index.ts'
import { db, webInFull } from '../testing/records.ts'
import { networksOf, readManifests } from './read.ts'

function read(...texts: readonly string[]) {
  const faults = new Faults()
  const networks = networksOf(
    texts.map((text, at) => ({ file: `${'ab'[at]}.yaml`, text })),
    faults,
  )
  return { networks, faults: faults.all }
}

describe('a manifest', () => {
  it('names a network in full', () => {
    const { networks, faults } = read(`
name: web
subnets:
  - cidr: 10.0.9.0/24
    gateway: 10.0.9.254
    ipRange: 10.0.9.128/25
    auxAddresses: { router: 10.0.9.2 }
  - fd00:9:0::/64
ipv6: true
mtu: 1400
vni: 4711
labels: { team: shop, empty: "" }
options: { x: y }
internal: true
multicast: false
eager: true
allowOverlap: true
`)
    expect(faults).toEqual([])
    expect(networks).toEqual([
      {
        name: 'web',
        subnets: [
          {
            cidr: parseCidr('10.0.9.0/24'),
            gateway: '10.0.9.254',
            ipRange: parseCidr('10.0.9.128/25'),
            auxAddresses: { router: '10.0.9.2' },
          },
          { cidr: parseCidr('fd00:9::/64') },
        ],
        ipv6: true,
        mtu: 1400,
        vni: 4711,
        labels: { team: 'shop', empty: '' },
        options: { x: 'y' },
        internal: true,
        multicast: false,
        eager: true,
        allowOverlap: true,
      },
    ])
  })

  it.each([
    ['one map', 'name: a', ['a']],
    ['documents', '---\nname: a\n---\n# nothing here\n---\n[{name: b}, {name: c}]\n', ['a', 'b', 'c']],
    ['JSON', '{\n\t"name": "a",\n\t"labels": {"x": "1"}\n}', ['a']],
    ['JSON of several', '[{"name":"a"},{"name":"b"}]', ['a', 'b']],
    ['aliases', '- name: a\n  labels: &l {x: y}\n- name: b\n  labels: *l\n', ['a', 'b']],
  ])('may be %s', (_, text, names) => {
    const { networks, faults } = read(text)
    expect([networks.map(({ name }) => name), faults]).toEqual([names, []])
  })

  it('may be what inspect and ls print', () => {
    const [web, base] = [Network.toJson(webInFull), Network.toJson(db)]
    expect(read(stringify([web, base])).faults).toEqual([])
    expect(read(JSON.stringify(web), stringify(base))).toMatchObject({
      faults: [],
      networks: [
        { name: 'web', vni: 1048576, labels: { team: 'shop' } },
        { name: 'db', subnets: [{ ipRange: 'none' }] },
      ],
    })
  })

  it('does not name what has no value', () => {
    const { networks } = read('name: web\nsubnets: []\nmtu: 0\nvni:\nlabels:\n')
    expect(networks).toEqual([{ name: 'web' }])
  })
})

const fields = 'there are name, subnets, ipv6, mtu, vni, labels, options, internal, multicast, eager, allowOverlap'

const wrong: [what: string, text: string, faults: readonly string[]][] = [
  ['nothing', '', ['a.yaml: there is no network in it']],
  ['comments', '# name: web\n', ['a.yaml: there is no network in it']],
  ['text', 'web', ['a.yaml: is not a network: write a map with its name']],
  ['no name', 'mtu: 1400', ['a.yaml: name: is missing']],
  ['a list of lists', '- - name: web', ['a.yaml, item 1: is not a network: write a map with its name']],
  [
    'every kind of value',
    'name: Web\nmtu: 1.5\nvni: -1\ninternal: "yes"\nsubnets: 10.0.9.0/24\nlabels: [a]\noptions: { a: 1, b: true }',
    [
      'a.yaml (Web): name: "Web" is not a name: use 1 to 63 lower-case letters, digits and hyphens, a letter or digit first and last',
      'a.yaml (Web): subnets: "10.0.9.0/24" is not a list',
      'a.yaml (Web): mtu: 1.5 is not a whole number in range: 576, or 1280 with IPv6, to 65485',
      'a.yaml (Web): vni: -1 is not a whole number in range: 1 to 16777215',
      'a.yaml (Web): labels: ["a"] is not a map of KEY: VALUE',
      'a.yaml (Web): options.a: 1 is not text: write it in quotes',
      'a.yaml (Web): options.b: true is not text: write it in quotes',
      'a.yaml (Web): internal: "yes" is neither true nor false',
    ],
  ],
  [
    'unknown keys',
    'name: web\nsubent: x\ndriver: overlay\nsubnets: [{ cidr: 10.0.9.0/24, range: x }]',
    [
      'a.yaml (web): subnets[0].range: no such field (there are cidr, gateway, ipRange, auxAddresses)',
      `a.yaml (web): subent: no such field (${fields})`,
      `a.yaml (web): driver: no such field (${fields})`,
    ],
  ],
  [
    'subnets',
    'name: web\nsubnets: [10.0.9.7/24, { gateway: here, auxAddresses: { a: b } }, 7]',
    [
      'a.yaml (web): subnets[0].cidr: subnet 10.0.9.7/24 has host bits set: did you mean 10.0.9.0/24?',
      'a.yaml (web): subnets[1].cidr: is missing',
      'a.yaml (web): subnets[1].gateway: "here" is not an IP address (for example 10.0.9.7 or fd00::7)',
      'a.yaml (web): subnets[1].auxAddresses.a: "b" is not an IP address (for example 10.0.9.7 or fd00::7)',
      'a.yaml (web): subnets[2]: 7 is neither a subnet nor a map that has one',
    ],
  ],
  [
    'what lies outside',
    'name: web\nsubnets:\n- { cidr: 10.0.9.0/24, gateway: 10.0.8.1, ipRange: 10.0.8.0/23, auxAddresses: { a: "fd00::1" } }\n- 10.0.10.0/24',
    [
      'a.yaml (web): gateway: 10.0.8.1 is not in 10.0.9.0/24: name one from 10.0.9.1 to 10.0.9.254',
      'a.yaml (web): auxAddresses: a: fd00::1 is not in 10.0.9.0/24, which is IPv4: name one from 10.0.9.1 to 10.0.9.254',
      'a.yaml (web): ipRange: 10.0.8.0/23 is not in 10.0.9.0/24: name a part of it',
      'a.yaml (web): subnets: a network takes at most one IPv4 and one IPv6 subnet, not 10.0.9.0/24, 10.0.10.0/24: make another network',
    ],
  ],
  [
    'what no network can have',
    'name: a\nmtu: 12\n---\nname: b\nsubnets: [127.0.0.0/24]\n---\n{ name: c, subnets: [{ cidr: 10.0.8.0/24, gateway: 10.0.8.0 }] }\n---\n{ name: d, subnets: [{ cidr: 10.98.7.0/24, ipRange: 10.98.7.1/32 }], options: { encrypted: "" } }',
    [
      'a.yaml, document 1 (a): mtu: 12 is out of range: 576, or 1280 with IPv6, to 65485',
      expect.stringMatching(/^a\.yaml, document 2 \(b\): subnet: 127\.0\.0\.0\/24 is in .* reserved \(loopback\)/),
      expect.stringMatching(/^a\.yaml, document 3 \(c\): gateway: 10\.0\.8\.0 is the address of the subnet/),
      expect.stringMatching(/^a\.yaml, document 4 \(d\): ipRange: 10\.98\.7\.1\/32 has no address for an endpoint/),
      expect.stringMatching(/^a\.yaml, document 4 \(d\): options: encrypted: /),
    ],
  ],
  [
    'what can be read beside what cannot',
    'name: Web\nmtu: x\nvni: 16777216\ntypo: 1\nsubnets: [224.0.0.0/24]',
    [
      expect.stringMatching(/: name: "Web" is not a name/),
      expect.stringMatching(/: mtu: "x" is not a whole number/),
      expect.stringMatching(/: typo: no such field/),
      expect.stringMatching(/: subnet: 224\.0\.0\.0\/24 .* reserved \(multicast\)/),
      expect.stringMatching(/: vni: 16777216 is not a VNI/),
    ],
  ],
  [
    'numbers that no request holds',
    'name: web\nmtu: 4294968696',
    [expect.stringMatching(/: mtu: 4294968696 is not a/)],
  ],
  ['labels', 'name: web\nlabels: { "-": x }', [expect.stringMatching(/^a\.yaml \(web\): labels: "-" is not a key: /)]],
  [
    'several documents, each with its own',
    'name: a\nmtu: x\n---\n- name: b\n- { name: c, vni: x }\n---\nname: d',
    [
      'a.yaml, document 1 (a): mtu: "x" is not a whole number in range: 576, or 1280 with IPv6, to 65485',
      'a.yaml, document 2, item 2 (c): vni: "x" is not a whole number in range: 1 to 16777215',
    ],
  ],
  [
    'networks that cannot be at once',
    '- { name: a, vni: 7, subnets: [10.0.8.0/22] }\n- { name: b, vni: 7, subnets: [10.0.0.0/24] }\n- { name: a, subnets: [10.0.9.0/24] }\n- { name: c, subnets: [10.0.11.0/24] }',
    [
      'a.yaml, item 3 (a): name: a is that of a.yaml, item 1 (a) already',
      'a.yaml, item 2 (b): vni: 7 is that of a.yaml, item 1 (a) already',
      'a.yaml, item 4 (c): subnets: 10.0.11.0/24 overlaps 10.0.8.0/22 of a.yaml, item 1 (a)',
    ],
  ],
  [
    'no YAML',
    'name: [web',
    [expect.stringMatching(/^a\.yaml: Flow sequence in block collection .* at line 1, column 11$/)],
  ],
  ['a key twice', 'name: a\nname: b', ['a.yaml: Map keys must be unique at line 2, column 1']],
  ['an unknown alias', 'name: *a', ['a.yaml: Unresolved alias (the anchor must be set before the alias): a']],
]

it.each(wrong)('%s is told', (_, text, faults) => {
  expect(read(text).faults).toEqual(faults)
})

it('faults of several files come together', () => {
  expect(read('name: A', 'name: B').faults.map((fault) => fault.slice(0, 16))).toEqual([
    'a.yaml (A): name',
    'b.yaml (B): name',
  ])
})

describe('files', () => {
  let directory: string
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'manifest-'))
    writeFileSync(join(directory, 'a.yaml'), 'name: a')
  })
  afterAll(() => rmSync(directory, { recursive: true }))
  const context = {
    input: async () => 'name: b',
    signals: { interrupted: new AbortController().signal, redirect: () => () => undefined },
  }

  it('are read in their order, standard input among them, each once', async () => {
    const a = join(directory, 'a.yaml')
    const networks = await readManifests(context, ['-', a, a])
    expect(networks.map(({ name }) => name)).toEqual(['b', 'a'])
  })

  it('that cannot be read are all told', async () => {
    await expect(readManifests(context, ['/nowhere/a', directory])).rejects.toThrow(
      new RegExp(`^--file: /nowhere/a: cannot be read: there is no such file\\n${directory}: cannot be read: EISDIR`),
    )
  })
})

it.each([
  [
    'a map that contains itself',
    'name: web\nlabels: &x\n  a: *x',
    'labels.a: a value that contains itself is not text',
  ],
  ['a list that contains itself', 'name: web\nsubnets: &x\n  a: *x', 'subnets: a value that contains itself is not'],
  ['an alias bomb', `a: &a [x,x]\nb: &b [${'*a,'.repeat(60)}]\nc: [${'*b,'.repeat(60)}]`, 'Excessive alias count'],
  ['an unknown tag', 'name: !what web', 'a.yaml: Unresolved tag: !what'],
  ['a key that is a map', 'name: web\nlabels:\n  ? {a: 1}\n  : x', 'labels: "{ a: 1 }" is not a key'],
  ['what a terminal acts on', 'name: "\\e[2J"', 'a.yaml: name: "\\u001b[2J" is not a name'],
  ['a vast value', `name: [${'1,'.repeat(10_000)}]`, 'a.yaml: name: [1,1,1,'],
])('%s is a fault of a sane length', (_, text, fault) => {
  const { faults } = read(text)
  expect(faults.join('\n')).toContain(fault)
  expect(faults.join('\n').length).toBeLessThan(300)
})
