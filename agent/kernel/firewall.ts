/** Keeps networks apart, and lets frames pass that stay on one bridge, whoever else filters. */
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { BridgeAddress, BridgePass, Difference, Isolation, ObservedItem } from '../state/item.ts'
import { type ForeignChain, foreignCommands, readForeignChains } from './foreign-chains.ts'
import type { Operation, OperationResult } from './kernel.ts'
import { legacyTables } from './legacy-chains.ts'
import { listChains, type NftObject, nftApply } from './nft.ts'
import { faultsIfAny } from './observe.ts'
import {
  addPasses,
  excuseAbsence,
  isOwnChain,
  makeTable,
  type OwnTable,
  readOwnTable,
  removePasses,
  removeTable,
} from './own-table.ts'

export interface FirewallOperation {
  readonly do: 'put' | 'delete'
  readonly item: Isolation | BridgePass
}

export interface Firewall {
  /** @throws OverlayError */
  observe(): Promise<ObservedItem[]>
  /** In as few transactions as can be; one after the other when that fails. */
  apply(operations: readonly FirewallOperation[]): Promise<OperationResult[]>
  /** A bridge's IPv6 gateway is about to be removed and put back: packets for it are taken meanwhile. Throws nothing. */
  excuse(gateway: BridgeAddress): Promise<void>
}

/** Well below what one argument of a program can hold. */
const commandsAtOnce = 200

export function isFirewallOperation(operation: Operation): operation is Operation & FirewallOperation {
  return operation.item.kind === 'isolation' || operation.item.kind === 'bridge-pass'
}

/** `vxlanPort`: the UDP port that no workload may send to on the host. `asOwn` runs each change of ours. */
export function createFirewall(
  log: Logger,
  vxlanPort: number,
  asOwn: (change: () => Promise<void>) => Promise<void>,
): Firewall {
  const legacy = legacyTables(log)
  let last: Promise<unknown> = Promise.resolve()
  let asTold: string | undefined

  async function change(commands: readonly NftObject[]): Promise<void> {
    if (commands.length > 0) await asOwn(() => nftApply(commands))
  }

  /** One at a time: what was read must hold until it is changed. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work)
    last = turn.catch(() => undefined)
    return turn
  }

  async function observe(): Promise<ObservedItem[]> {
    const chains = await listChains()
    const [table, foreign, tables] = await Promise.all([
      readOwnTable(vxlanPort),
      readForeignChains(chains),
      legacy.read(),
    ])
    const places = [
      ...foreign.map(({ name, isTarget, accepts, changed }) => ({
        name,
        isTarget,
        accepts: new Set(accepts.keys()),
        changed: new Set(changed.keys()),
      })),
      ...tables.flatMap(({ program, chains: legacyChains }) =>
        legacyChains.map(({ name, isTarget, accepts }) => ({
          name: `${program} ${name}`,
          isTarget,
          accepts: new Set(accepts),
          changed: new Set<string>(),
        })),
      ),
    ]
    const bridges = new Set([...(table?.passes ?? []), ...places.flatMap((one) => [...one.accepts, ...one.changed])])
    return [
      ...(table ? [{ kind: 'isolation' as const, ...faultsIfAny(faultsOf(table)) }] : []),
      ...Array.from(bridges, (bridge) => ({
        kind: 'bridge-pass' as const,
        bridge,
        ...faultsIfAny(passFaults(bridge, table, places)),
      })),
    ]
  }

  /** How nft tells our rules may be another way in another version: what it told when we had made them is right. */
  function faultsOf({ faults, likeOurs }: OwnTable): readonly Difference[] {
    return likeOurs !== undefined && likeOurs === asTold ? [] : faults
  }

  async function applyTogether(operations: readonly FirewallOperation[]): Promise<void> {
    const chains = await listChains()
    const bridges = (what: FirewallOperation['do']) =>
      operations.flatMap((one) => (one.do === what && one.item.kind === 'bridge-pass' ? [one.item.bridge] : []))
    const [put, remove] = [bridges('put'), bridges('delete')]
    await change(await ownCommands(operations, vxlanPort, chains.some(isOwnChain), put, remove))
    if (operations.some(({ do: what, item }) => what === 'put' && item.kind === 'isolation'))
      asTold = (await readOwnTable(vxlanPort))?.likeOurs
    if (put.length + remove.length === 0) return
    const [foreign, tables] = await Promise.all([readForeignChains(chains), legacy.read()])
    await changeForeign(foreign, put, remove)
    for (const table of tables) {
      await legacy.change(table, put, remove).catch((error) => refused(table.program, error))
    }
  }

  /** Chain by chain: one that refuses (a table may have an owner) must not keep it from the others. */
  async function changeForeign(chains: readonly ForeignChain[], put: readonly string[], remove: readonly string[]) {
    for (const chain of chains) {
      const commands = foreignCommands(chain, put, remove)
      try {
        for (let at = 0; at < commands.length; at += commandsAtOnce)
          await change(commands.slice(at, at + commandsAtOnce))
      } catch (error) {
        refused(chain.name, error)
      }
    }
  }

  /** Our own table is what must be; without the rest, frames may be dropped by others. */
  function refused(chain: string, error: unknown): void {
    log.warn({ err: OverlayError.from(error), chain }, 'no rule could be changed in a chain of another')
  }

  async function apply(operations: readonly FirewallOperation[]): Promise<OperationResult[]> {
    try {
      await applyTogether(operations)
      return operations.map(() => ({ ok: true, rebuilt: false }))
    } catch (error) {
      if (operations.length <= 1) return operations.map(() => ({ ok: false, error: OverlayError.from(error) }))
    }
    const results: OperationResult[] = []
    for (const operation of operations) results.push(...(await apply([operation])))
    return results
  }

  async function excuse({ dev, address }: BridgeAddress): Promise<void> {
    try {
      await change(excuseAbsence(dev, address))
    } catch (error) {
      log.warn({ err: OverlayError.from(error), bridge: dev, address }, 'packets for the gateway may be lost')
    }
  }

  return {
    observe: () => inTurn(observe),
    apply: (operations) => inTurn(() => apply(operations)),
    excuse: (gateway) => inTurn(() => excuse(gateway)),
  }
}

/** The table is made before, and removed after what is in it. */
async function ownCommands(
  operations: readonly FirewallOperation[],
  vxlanPort: number,
  hasTable: boolean,
  put: readonly string[],
  remove: readonly string[],
): Promise<NftObject[]> {
  const isolation = operations.findLast(({ item }) => item.kind === 'isolation')?.do
  return [
    ...(isolation === 'put' ? makeTable((await readOwnTable(vxlanPort))?.passes ?? [], vxlanPort) : []),
    ...addPasses(put),
    ...(hasTable ? removePasses(remove) : []),
    ...(isolation === 'delete' ? removeTable() : []),
  ]
}

/** A chain of somebody else, of either kind. */
interface Place {
  readonly name: string
  readonly isTarget: boolean
  /** Bridges. */
  readonly accepts: ReadonlySet<string>
  readonly changed: ReadonlySet<string>
}

function passFaults(bridge: string, table: OwnTable | undefined, places: readonly Place[]): Difference[] {
  const rules = places.filter(({ isTarget, accepts, changed }) => {
    return changed.has(bridge) || (isTarget && !accepts.has(bridge))
  })
  return [
    ...(table?.passes.includes(bridge) ? [] : [{ what: 'table inet overlay', wanted: bridge, found: '' }]),
    ...rules.map(({ name, changed }) => ({
      what: `rule in ${name}`,
      wanted: 'accept',
      found: changed.has(bridge) ? 'another' : '',
    })),
  ]
}
