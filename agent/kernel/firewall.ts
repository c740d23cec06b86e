/** Keeps networks apart, and lets frames pass that stay on one bridge, whoever else filters. */
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { BridgeAddress, BridgePass, Isolation, ObservedItem } from '../state/item.ts'
import { type ForeignChain, foreignCommands, readForeignChains } from './foreign-chains.ts'
import type { Operation, OperationResult } from './kernel.ts'
import { legacyTables } from './legacy-chains.ts'
import { listChains, type NftObject, nftApply } from './nft.ts'
import {
  addPasses,
  excuseAbsence,
  isOwnChain,
  makeTable,
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

/** `vxlanPort`: the UDP port that no workload may send to on the host. */
export function createFirewall(log: Logger, vxlanPort: number): Firewall {
  const legacy = legacyTables(log)
  let last: Promise<unknown> = Promise.resolve()

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
    const accepted = [
      ...foreign.map(({ isTarget, accepts }) => ({ isTarget, bridges: new Set(accepts.keys()) })),
      ...tables.flatMap((one) => one.chains).map(({ isTarget, accepts }) => ({ isTarget, bridges: new Set(accepts) })),
    ]
    const passes = new Set(table?.passes)
    const isWhole = (bridge: string) =>
      passes.has(bridge) && accepted.every(({ isTarget, bridges }) => !isTarget || bridges.has(bridge))
    const bridges = new Set([...passes, ...accepted.flatMap((one) => [...one.bridges])])
    return [
      ...(table ? [{ kind: 'isolation' as const, ...partialUnless(table.isWhole) }] : []),
      ...Array.from(bridges, (bridge) => ({ kind: 'bridge-pass' as const, bridge, ...partialUnless(isWhole(bridge)) })),
    ]
  }

  async function applyTogether(operations: readonly FirewallOperation[]): Promise<void> {
    const chains = await listChains()
    const bridges = (what: FirewallOperation['do']) =>
      operations.flatMap((one) => (one.do === what && one.item.kind === 'bridge-pass' ? [one.item.bridge] : []))
    const [put, remove] = [bridges('put'), bridges('delete')]
    await nftApply(await ownCommands(operations, vxlanPort, chains.some(isOwnChain), put, remove))
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
          await nftApply(commands.slice(at, at + commandsAtOnce))
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
      await nftApply(excuseAbsence(dev, address))
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

function partialUnless(isWhole: boolean): { partial?: true } {
  return isWhole ? {} : { partial: true }
}
