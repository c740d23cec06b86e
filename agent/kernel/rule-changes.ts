/** Tells whether somebody else has changed nftables (see docs/adr/0012-notifications-by-a-polled-socket.md). */
import { MonitorSocket } from './monitor-socket.ts'
import { type Commit, commitsOf } from './nft-notifications.ts'
import { table } from './own-table.ts'

const NETLINK_NETFILTER = 12
const NFNLGRP_NFTABLES = 7

/** As the kernel names the program that we change nftables with. */
const ownProgram = 'nft'

export class RuleChanges {
  readonly #socket = new MonitorSocket({ protocol: NETLINK_NETFILTER, groups: [NFNLGRP_NFTABLES] })
  readonly #commitOf = commitsOf(table)
  #isTold = false
  /** Changes of ours that are under way. */
  #working = 0
  #changed = false

  /** @throws SystemError */
  subscribe(): void {
    this.#socket.subscribe()
    this.#isTold = true
  }

  /** @throws SystemError */
  unsubscribe(): void {
    this.#isTold = false
    this.#socket.unsubscribe()
  }

  close(): void {
    this.#isTold = false
    this.#socket.close()
  }

  /** Runs a change of ours, which is one transaction, or none when it fails. */
  async ownChange(change: () => Promise<void>): Promise<void> {
    if (!this.#isTold) return change()
    if (this.#working++ === 0) this.#hear()
    let made = 0
    try {
      await change()
      made = 1
    } finally {
      if (--this.#working === 0) this.#hear(made)
    }
  }

  /** What was heard since this was last asked. */
  take(): boolean {
    if (this.#working === 0) this.#hear()
    const changed = this.#changed
    this.#changed = false
    return changed
  }

  #hear(own = 0): void {
    if (!this.#isTold) return
    try {
      if (this.#hasForeign(own)) this.#changed = true
    } catch {
      // Our work goes on whatever comes of this.
      this.#changed = true
    }
  }

  /** So many of the transactions are ours. If there are more, or others' among them, all may be. */
  #hasForeign(own: number): boolean {
    const commits: Commit[] = []
    const complete = this.#socket.drain((message) => {
      const commit = this.#commitOf(message)
      if (commit) commits.push(commit)
    })
    const isOwn = commits.length <= own && commits.every(({ program }) => program === ownProgram)
    return !complete || (!isOwn && commits.some(({ isOfConcern }) => isOfConcern))
  }
}
