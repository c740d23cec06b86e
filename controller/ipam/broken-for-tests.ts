/** Records that contradict each other, and what check and repair make of them. */
import { parseIp as ip } from '../../lib/ip.ts'
import type { Endpoint, RepairOutcome } from '../../proto/index.ts'
import { put, remove, type Store, type Write } from '../../store/store.ts'
import { endpointOf, endpointWrites } from './ipam-for-tests.ts'

/** The cluster of ipam-for-tests.ts with two endpoints in `web`. */
export interface Scene {
  readonly store: Store
  /** Of node n1, named `one`, with everything; its id is all ones. */
  readonly one: Endpoint
  /** Of node n2; its id is all twos. */
  readonly two: Endpoint
}

export const nobody = 'f'.repeat(32)
const longAgo = '2020-01-01T00:00:00.000Z'

export interface Broken {
  /** What is done to the records by hand. */
  readonly by: () => readonly Write[]
  /** `KIND subject endpoint node`, shortened. */
  readonly found: readonly string[]
  readonly outcomes: readonly RepairOutcome['state'][]
  /** What the repair changed: keys that went, came, or were written anew. */
  readonly changed: readonly string[]
}

/** Every kind of finding, each in some forms; `scene` is what the test has then. */
export const brokenThings = (scene: () => Scene): Readonly<Record<string, Broken>> => {
  /** As etcdctl put writes it. */
  const garbage = (below: string, value = 'garbage'): Write => ({
    do: 'put',
    path: scene().store.keys.prefix + below,
    value,
    lease: undefined,
  })
  return thingsOf(scene, garbage)
}

const thingsOf = (
  scene: () => Scene,
  garbage: (below: string, value?: string) => Write,
): Readonly<Record<string, Broken>> => ({
  'an address of an endpoint that is not there': {
    by: () => [
      put(scene().store.keys.address('web', ip('10.0.0.9')), { kind: 'ENDPOINT', endpointId: nobody, node: 'n1' }),
    ],
    found: ['OWNER_WITHOUT_ENDPOINT web 10.0.0.9 ffff n1'],
    outcomes: ['REPAIRED'],
    changed: ['-addresses/web/10.0.0.9', '+released/web/10.0.0.9'],
  },
  'an address that its endpoint does not have': {
    by: () => [
      put(scene().store.keys.address('web', ip('10.0.0.9')), {
        kind: 'ENDPOINT',
        endpointId: scene().one.id,
        node: 'n1',
      }),
    ],
    found: ['OWNER_WITHOUT_ENDPOINT web 10.0.0.9 1111 n1'],
    outcomes: ['REPAIRED'],
    changed: ['-addresses/web/10.0.0.9', '+released/web/10.0.0.9'],
  },
  'a gateway’s and an auxiliary address that the network has not': {
    by: () => [
      put(scene().store.keys.address('web', ip('10.0.0.3')), { kind: 'GATEWAY' }),
      put(scene().store.keys.address('web', ip('10.0.0.4')), { kind: 'AUXILIARY', name: 'nas' }),
    ],
    found: ['OWNER_WITHOUT_ENDPOINT web 10.0.0.3', 'OWNER_WITHOUT_ENDPOINT web 10.0.0.4'],
    outcomes: ['REPAIRED', 'REPAIRED'],
    changed: ['-addresses/web/10.0.0.3', '-addresses/web/10.0.0.4'],
  },
  'a reservation that is long over': {
    by: () => [
      put(scene().store.keys.address('web', ip('10.0.0.3')), { kind: 'RESERVATION', node: 'n1', expiresAt: longAgo }),
      put(scene().store.keys.address('web', ip('10.0.0.4')), {
        kind: 'RESERVATION',
        node: 'n1',
        expiresAt: '2999-01-01T00:00:00Z',
      }),
    ],
    found: ['OWNER_WITHOUT_ENDPOINT web 10.0.0.3 n1'],
    outcomes: ['REPAIRED'],
    changed: ['-addresses/web/10.0.0.3'],
  },
  'a name and a MAC of an endpoint that is not there, or that has others': {
    by: () => [
      put(scene().store.keys.name('web', 'ghost'), { endpointId: nobody }),
      put(scene().store.keys.name('web', 'other'), { endpointId: scene().one.id }),
      put(scene().store.keys.mac('web', '02:00:00:00:00:01' as never), { endpointId: nobody }),
    ],
    found: [
      'OWNER_WITHOUT_ENDPOINT web 02:00:00:00:00:01 ffff',
      'OWNER_WITHOUT_ENDPOINT web ghost ffff',
      'OWNER_WITHOUT_ENDPOINT web other 1111',
    ],
    outcomes: ['REPAIRED', 'REPAIRED', 'REPAIRED'],
    changed: ['-macs/web/02:00:00:00:00:01', '-names/web/ghost', '-names/web/other'],
  },
  'placements of endpoints that are not there, or elsewhere': {
    by: () => [
      put(scene().store.keys.placement('n1', 'web', nobody), null),
      put(scene().store.keys.placement('n1', 'gone', nobody), null),
      put(scene().store.keys.placement('n2', 'web', scene().one.id), null),
    ],
    found: [
      'OWNER_WITHOUT_ENDPOINT gone ffff n1',
      'OWNER_WITHOUT_ENDPOINT web 1111 n2',
      'OWNER_WITHOUT_ENDPOINT web ffff n1',
    ],
    outcomes: ['REPAIRED', 'REPAIRED', 'REPAIRED'],
    changed: [`-placements/n1/gone/${nobody}`, `-placements/n1/web/${nobody}`, `-placements/n2/web/${'1'.repeat(32)}`],
  },
  'an endpoint whose record is gone': {
    by: () => [remove(scene().store.keys.endpoint('web', scene().one.id))],
    found: [
      'OWNER_WITHOUT_ENDPOINT web 1111 n1',
      'OWNER_WITHOUT_ENDPOINT web 10.0.0.7 1111 n1',
      'OWNER_WITHOUT_ENDPOINT web MAC 1111',
      'OWNER_WITHOUT_ENDPOINT web fd00:9::7 1111 n1',
      'OWNER_WITHOUT_ENDPOINT web one 1111',
    ],
    outcomes: ['REPAIRED', 'REPAIRED', 'REPAIRED', 'REPAIRED', 'REPAIRED'],
    changed: [
      '-addresses/web/10.0.0.7',
      '-addresses/web/fd00:9::7',
      '~history/web/10.0.0.7/TIME/1111',
      '~history/web/fd00:9::7/TIME/1111',
      '-macs/web/MAC',
      '-names/web/one',
      `-placements/n1/web/${'1'.repeat(32)}`,
      '+released/web/10.0.0.7',
      '+released/web/fd00:9::7',
    ],
  },
  'an endpoint that lacks all its keys': {
    by: () => [
      remove(scene().store.keys.address('web', ip('10.0.0.7'))),
      put(scene().store.keys.releasedAddress('web', ip('10.0.0.7')), { node: 'n1', freeAt: new Date().toISOString() }),
      remove(scene().store.keys.address('web', ip('fd00:9::7'))),
      remove(scene().store.keys.name('web', 'one')),
      remove(scene().store.keys.mac('web', scene().one.mac as never)),
      remove(scene().store.keys.placement('n1', 'web', scene().one.id)),
    ],
    found: [
      'ENDPOINT_WITHOUT_OWNER web 1111 n1',
      'ENDPOINT_WITHOUT_OWNER web 10.0.0.7 1111 n1',
      'ENDPOINT_WITHOUT_OWNER web MAC 1111 n1',
      'ENDPOINT_WITHOUT_OWNER web fd00:9::7 1111 n1',
      'ENDPOINT_WITHOUT_OWNER web one 1111 n1',
    ],
    outcomes: ['REPAIRED', 'REPAIRED', 'REPAIRED', 'REPAIRED', 'REPAIRED'],
    changed: [
      '+addresses/web/10.0.0.7',
      '+addresses/web/fd00:9::7',
      '+macs/web/MAC',
      '+names/web/one',
      `+placements/n1/web/${'1'.repeat(32)}`,
      '-released/web/10.0.0.7',
    ],
  },
  'an endpoint whose address and name are kept for one that is not there': {
    by: () => [
      put(scene().store.keys.address('web', ip('10.0.0.7')), { kind: 'ENDPOINT', endpointId: nobody, node: 'n2' }),
      put(scene().store.keys.name('web', 'one'), { endpointId: scene().two.id }),
    ],
    found: ['ENDPOINT_WITHOUT_OWNER web 10.0.0.7 1111 n1', 'ENDPOINT_WITHOUT_OWNER web one 1111 n1'],
    outcomes: ['REPAIRED', 'REPAIRED'],
    changed: ['~addresses/web/10.0.0.7', '~names/web/one'],
  },
  'an endpoint that has what the network keeps for itself, or a node has reserved': {
    by: () => {
      const odd = endpointOf({ node: 'n1', addresses: ['10.0.0.2', '10.0.0.9'], id: '3'.repeat(32) })
      return [
        ...endpointWrites(scene().store, odd).filter(
          ({ do: what, ...write }) => what === 'put' && !('path' in write && write.path.includes('/addresses/')),
        ),
        put(scene().store.keys.address('web', ip('10.0.0.9')), { kind: 'RESERVATION', node: 'n2' }),
      ]
    },
    found: ['ENDPOINT_WITHOUT_OWNER web 10.0.0.2 3333 n1', 'ENDPOINT_WITHOUT_OWNER web 10.0.0.9 3333 n1'],
    outcomes: ['LEFT', 'LEFT'],
    changed: [],
  },
  'two endpoints with the same address, name and MAC': {
    by: () => {
      const twin = {
        ...endpointOf({ node: 'n2', addresses: ['10.0.0.7'], name: 'one', id: '3'.repeat(32) }),
        mac: scene().one.mac,
      }
      return [
        put(scene().store.keys.endpoint('web', twin.id), twin),
        put(scene().store.keys.placement('n2', 'web', twin.id), null),
      ]
    },
    found: ['DUPLICATE web 10.0.0.7 3333 n2', 'DUPLICATE web MAC 3333 n2', 'DUPLICATE web one 3333 n2'],
    outcomes: ['LEFT', 'LEFT', 'LEFT'],
    changed: [],
  },
  'two endpoints with the same address, and no key: the first has it': {
    by: () => {
      const twin = endpointOf({ node: 'n2', addresses: ['10.0.0.7'], id: '0'.repeat(32) })
      return [...endpointWrites(scene().store, twin), remove(scene().store.keys.address('web', ip('10.0.0.7')))].filter(
        (write) => !(write.do === 'put' && write.path.includes('/addresses/')),
      )
    },
    found: ['DUPLICATE web 10.0.0.7 0000 n2', 'ENDPOINT_WITHOUT_OWNER web 10.0.0.7 1111 n1'],
    outcomes: ['LEFT', 'REPAIRED'],
    changed: ['+addresses/web/10.0.0.7'],
  },
  'the gateway’s and an auxiliary address without a key, or with another’s': {
    by: () => [
      remove(scene().store.keys.address('web', ip('10.0.0.1'))),
      put(scene().store.keys.address('web', ip('fd00:9::1')), { kind: 'ENDPOINT', endpointId: nobody }),
      put(scene().store.keys.address('web', ip('10.0.0.2')), { kind: 'AUXILIARY', name: 'nas' }),
    ],
    found: [
      'RESERVED_WITHOUT_OWNER web 10.0.0.1',
      'RESERVED_WITHOUT_OWNER web 10.0.0.2',
      'RESERVED_WITHOUT_OWNER web fd00:9::1',
    ],
    outcomes: ['REPAIRED', 'REPAIRED', 'REPAIRED'],
    changed: ['+addresses/web/10.0.0.1', '~addresses/web/10.0.0.2', '~addresses/web/fd00:9::1'],
  },
  'the gateway’s address, which an endpoint has': {
    by: () => endpointWrites(scene().store, endpointOf({ node: 'n1', addresses: ['10.0.0.1'], id: '3'.repeat(32) })),
    found: ['RESERVED_WITHOUT_OWNER web 10.0.0.1'],
    outcomes: ['LEFT'],
    changed: [],
  },
  'what is kept of a network that is not there': {
    by: () => [
      put(scene().store.keys.address('old', ip('10.9.0.1')), { kind: 'GATEWAY' }),
      put(scene().store.keys.address('old', ip('10.9.0.3')), { kind: 'ENDPOINT', endpointId: nobody }),
      put(scene().store.keys.name('old', 'x'), { endpointId: nobody }),
      put(scene().store.keys.mac('old', '02:00:00:00:00:01' as never), { endpointId: nobody }),
      put(scene().store.keys.releasedAddress('old', ip('10.9.0.4')), { node: 'n1' }),
      put(scene().store.keys.tenure('old', ip('10.9.0.4'), longAgo, nobody), { address: '10.9.0.4' }),
      put(scene().store.keys.vni(5009), { network: 'old' }),
      put(scene().store.keys.vni(5010), { network: 'web' }),
    ],
    found: ['LEFTOVER old', 'LEFTOVER old 5009', 'LEFTOVER web 5010'],
    outcomes: ['REPAIRED', 'REPAIRED', 'REPAIRED'],
    changed: [
      '-addresses/old/10.9.0.1',
      '-addresses/old/10.9.0.3',
      '-history/old/10.9.0.4/TIME/ffff',
      '-macs/old/02:00:00:00:00:01',
      '-names/old/x',
      '-released/old/10.9.0.4',
      '-vnis/5009',
      '-vnis/5010',
    ],
  },
  'an endpoint of a network that is not there keeps that network’s keys': {
    by: () =>
      endpointWrites(scene().store, {
        ...endpointOf({ node: 'n1', addresses: ['10.0.0.9'], id: '3'.repeat(32) }),
        network: 'old',
      }),
    found: ['LEFTOVER old', 'LEFTOVER old 3333 n1'],
    outcomes: ['LEFT', 'LEFT'],
    changed: [],
  },
  'an endpoint of an earlier network of the same name': {
    by: () =>
      endpointWrites(scene().store, {
        ...endpointOf({ node: 'n1', addresses: ['10.0.0.9'], id: '3'.repeat(32) }),
        networkUid: 'e',
      }),
    found: ['LEFTOVER web 3333 n1'],
    outcomes: ['LEFT'],
    changed: [],
  },
  'what is left of a node that is not there': {
    by: () => [
      ...endpointWrites(scene().store, endpointOf({ node: 'n9', addresses: ['10.0.0.9'], id: '3'.repeat(32) })),
      put(scene().store.keys.hostRoutesOf('n9'), {}),
      put(scene().store.keys.hostRoutesOf('n8'), {}),
    ],
    found: ['LEFTOVER n8', 'LEFTOVER n9'],
    outcomes: ['REPAIRED', 'REPAIRED'],
    changed: [
      '-addresses/web/10.0.0.9',
      '-endpoints/web/3333',
      '~history/web/10.0.0.9/TIME/3333',
      '-hostroutes/n8',
      '-hostroutes/n9',
      '-macs/web/MAC',
      `-placements/n9/web/${'3'.repeat(32)}`,
      '+released/web/10.0.0.9',
    ],
  },
  'an endpoint of a node that is not there and lists nothing': {
    by: () => {
      const lost = endpointOf({ node: 'n9', addresses: ['10.0.0.9'], id: '3'.repeat(32) })
      return endpointWrites(scene().store, lost).filter(
        (write) => !('path' in write && write.path.includes('/placements/')),
      )
    },
    found: ['LEFTOVER web 3333 n9'],
    outcomes: ['REPAIRED'],
    changed: [
      '-addresses/web/10.0.0.9',
      '-endpoints/web/3333',
      '~history/web/10.0.0.9/TIME/3333',
      '-macs/web/MAC',
      '+released/web/10.0.0.9',
    ],
  },
  'a tenure that goes on, and a rest that never ends': {
    by: () => [
      put(scene().store.keys.tenure('web', ip('10.0.0.9'), longAgo, nobody), {
        address: '10.0.0.9',
        endpointId: nobody,
      }),
      put(scene().store.keys.releasedAddress('web', ip('10.0.0.10')), { node: 'n1', freeAt: longAgo }),
    ],
    found: ['LEFTOVER web 10.0.0.10', 'LEFTOVER web 10.0.0.9 ffff'],
    outcomes: ['REPAIRED', 'REPAIRED'],
    changed: ['~history/web/10.0.0.9/TIME/ffff', '-released/web/10.0.0.10'],
  },
  'a record that nobody can read': {
    by: () => [
      {
        do: 'put',
        path: scene().store.keys.endpoint('web', scene().one.id).path,
        value: 'no record',
        lease: undefined,
      },
      { do: 'put', path: scene().store.keys.node('n2').path, value: '[]', lease: undefined },
    ],
    // What hangs on it is not told as well.
    found: ['LEFTOVER nodes/n2 n2', 'LEFTOVER web endpoints/web/1111'],
    outcomes: ['LEFT', 'LEFT'],
    changed: [],
  },
  'records of every range that nobody can read': {
    by: () => [
      garbage('addresses/web/10.0.0.7'),
      garbage('addresses/web/10.0.0.1'),
      garbage('names/web/one'),
      garbage('macs/web/02:00:00:00:00:01'),
      garbage('released/web/10.0.0.44'),
      garbage('history/web/10.0.0.44/TIME/x'),
      garbage('networks/bad'),
      garbage('vnis/5999'),
      garbage('hostroutes/n2'),
      put(scene().store.keys.address('bad', ip('10.2.0.1')), { kind: 'GATEWAY' }),
      put(scene().store.keys.vni(5998), { network: 'bad' }),
    ],
    found: [
      'LEFTOVER bad networks/bad',
      'LEFTOVER hostroutes/n2 n2',
      'LEFTOVER vnis/5999',
      'LEFTOVER web addresses/web/10.0.0.1',
      'LEFTOVER web addresses/web/10.0.0.7',
      'LEFTOVER web history/web/10.0.0.44/TIME/x',
      'LEFTOVER web macs/web/02:00:00:00:00:01',
      'LEFTOVER web names/web/one',
      'LEFTOVER web released/web/10.0.0.44',
    ],
    outcomes: ['LEFT', 'LEFT', 'LEFT', 'LEFT', 'LEFT', 'LEFT', 'LEFT', 'LEFT', 'LEFT'],
    changed: [],
  },
  'keys that no program would write': {
    by: () => [
      garbage('addresses/web/notanip', '{}'),
      garbage('addresses/web/fd00:9:0::0099', '{}'),
      garbage('released/web/10.0.0.44/x', '{}'),
      garbage('names/web/Big', '{}'),
      garbage('macs/web/02:00:00:00:00:AA', '{}'),
      garbage('history/web/10.0.0.44', '{}'),
      garbage('endpoints/web/a/b', '{}'),
      garbage('addresses/Big Net/10.0.0.9', '{}'),
    ],
    found: [
      'LEFTOVER addresses/Big Net/10.0.0.9',
      'LEFTOVER web addresses/web/fd00:9:0::0099',
      'LEFTOVER web addresses/web/notanip',
      'LEFTOVER web endpoints/web/a/b',
      'LEFTOVER web history/web/10.0.0.44',
      'LEFTOVER web macs/web/02:00:00:00:00:AA',
      'LEFTOVER web names/web/Big',
      'LEFTOVER web released/web/10.0.0.44/x',
    ],
    outcomes: ['LEFT', 'REPAIRED', 'REPAIRED', 'LEFT', 'REPAIRED', 'REPAIRED', 'REPAIRED', 'REPAIRED'],
    changed: [
      '-addresses/web/fd00:9:0::0099',
      '-addresses/web/notanip',
      '-history/web/10.0.0.44',
      '-macs/web/02:00:00:00:00:AA',
      '-names/web/Big',
      '-released/web/10.0.0.44/x',
    ],
  },
  'an endpoint’s record that says nothing': {
    by: () => [garbage(`endpoints/web/${'3'.repeat(32)}`, '{}')],
    found: ['LEFTOVER web 3333'],
    outcomes: ['REPAIRED'],
    changed: ['-endpoints/web/3333'],
  },
})
