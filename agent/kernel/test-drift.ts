/** For kernel specs: a host with one network, all of it as desired, where something is broken, told and mended. */
import { expect } from 'vitest'
import { macOf } from '../../lib/mac.ts'
import { diff, type ItemMap, itemMap } from '../diff.ts'
import { differences } from '../state/differences.ts'
import { type AnyItem, type Item, itemId } from '../state/item.ts'
import type { KernelChanges, OperationResult } from './kernel.ts'
import type { LinuxKernelOptions } from './linux.ts'
import { faultText, run, type TestHost, type TestHosts, type TestNamespace, until } from './test-host.ts'
import { testNetwork } from './test-network.ts'

const network = testNetwork('web', 9, '192.0.2.1')
const local = (sandbox: string, cookie: string) => network.local(2, sandbox, cookie)

/** Names of what is there: endpoint 2 here, endpoint 3 behind VTEP 192.0.2.2. */
export const names = {
  bridge: network.bridge.name,
  bridgeMac: network.bridge.mac,
  vxlan: network.vxlan.name,
  vxlanMac: network.vxlan.mac,
  vni: network.vxlan.vni,
  veth: local('', '').veth.name,
  here: macOf('endpoint', 'web', '2'),
  there: macOf('endpoint', 'web', '3'),
  /** A MAC that nobody has. */
  none: '02:00:00:00:00:99',
} as const

/** What the kernel tells of it at once; of some changes it tells nothing. */
export type Told = keyof KernelChanges | 'nothing'

/** The title, a command that breaks something, and the lines that tell it; a pattern stands for more than one. */
export type Drift = readonly [what: string, command: string, lines: readonly (string | RegExp)[], told?: Told]

/** The line of a link that differs. */
export function link(name: string, ...faults: string[]): string {
  return `link ${name}: ${faults.join('; ')}`
}

export interface DriftHost {
  readonly host: TestHost
  readonly sandbox: TestNamespace
  /** A line for each thing that is not as it should be. */
  deviations(): Promise<string[]>
  /** What is done by an agent that has observed this. */
  repair(): Promise<readonly OperationResult[]>
  /** As `repair`; it must succeed, and all must be as desired then. */
  mend(): Promise<void>
  /** Breaks it by the command; it is told, mended, and that it was mended is not told. */
  holds(where: TestNamespace, drift: Drift): Promise<void>
}

export async function driftHost(hosts: TestHosts, options?: Pick<LinuxKernelOptions, 'sysctls'>): Promise<DriftHost> {
  const host = await hosts.host(options)
  const sandbox = await hosts.namespace()
  const { veth, entry } = local(sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
  const links = network.items.map((item) => (item.kind === 'vxlan' ? { ...item, floods: true } : item))
  const wanted = itemMap<Item>([...links, veth, entry, ...network.remote(3, '192.0.2.2'), network.flood('192.0.2.2')])
  await run(host, "nft add table ip fw; nft add chain ip fw forward '{ type filter hook forward priority 0; }'")

  const told = { ours: false, host: false, firewall: false }
  const observe = async () => itemMap<AnyItem>(await host.within(() => host.kernel.observe(() => veth.inside)))

  async function apply(actual: ItemMap<AnyItem>) {
    const operations = diff(actual, wanted)
    return host.within(() => host.kernel.apply(operations))
  }

  function deviationsIn(actual: ItemMap<AnyItem>): string[] {
    const lacking = Array.from(wanted).flatMap(([id, item]) => {
      const found = actual.get(id)
      if (!found) return [`${id} missing`]
      const all = differences(found, item).map(faultText)
      return all.length > 0 ? [`${id}: ${all.join('; ')}`] : []
    })
    const surplus = [...actual.values()].filter((item) => !wanted.has(itemId(item)))
    return [...lacking, ...surplus.map((item) => `${itemId(item)} surplus`)].toSorted()
  }

  async function mend(actual: ItemMap<AnyItem>): Promise<void> {
    expect((await apply(actual)).filter((result) => !result.ok)).toEqual([])
    const after = await observe()
    if (deviationsIn(after).length === 0) return
    // What hung on a link that was made anew is put by the next round.
    await apply(after)
    expect(deviationsIn(await observe())).toEqual([])
  }

  /** Has something told that is another's, so that all that came before it was told too. */
  async function mark(): Promise<void> {
    told.host = false
    await run(host, 'ip addr add 198.51.100.1/32 dev lo; ip addr del 198.51.100.1/32 dev lo')
    await until(async () => told.host)
  }

  await mend(await observe())
  host.kernel.watchChanges((changes) => {
    told.ours ||= changes.ours
    told.host ||= changes.host
    told.firewall ||= changes.firewall
  }, hosts.signal)

  return {
    host,
    sandbox,
    deviations: async () => deviationsIn(await observe()),
    repair: async () => apply(await observe()),
    mend: async () => mend(await observe()),
    async holds(where, [, command, lines, by = 'ours']) {
      Object.assign(told, { ours: false, firewall: false })
      await run(where, command)
      const actual = await observe()
      if (by === 'nothing') await mark()
      else await until(async () => told[by])
      expect({ ours: told.ours, firewall: told.firewall }).toEqual({ ours: by === 'ours', firewall: by === 'firewall' })
      Object.assign(told, { ours: false, firewall: false })
      await mend(actual)
      await mark()
      expect({ ours: told.ours, firewall: told.firewall }).toEqual({ ours: false, firewall: false })
      const found = deviationsIn(actual)
      const exact = lines.flatMap((line) => (typeof line === 'string' ? [line] : []))
      if (exact.length === lines.length) expect(found).toEqual(exact.toSorted())
      for (const line of lines) if (typeof line !== 'string') expect(found.join('\n')).toMatch(line)
    },
  }
}
