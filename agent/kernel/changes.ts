/**
 * Tells of what others change in the kernel. Notifications are taken a few times a
 * second and around each of our own requests, so that what we do ourselves is known
 * to be ours: the kernel puts no name on most of them (see
 * docs/adr/0012-notifications-by-a-polled-socket.md).
 */
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { farEnd } from './insides.ts'
import type { KernelChanges } from './kernel.ts'
import { dumpLinks, findLinkByIndex } from './links.ts'
import { MonitorSocket } from './monitor-socket.ts'
import { eachEntry } from './neighbours.ts'
import type { Message, Request } from './netlink-message.ts'
import { NetlinkSocket } from './netlink-socket.ts'
import { isOfUse, Notifications } from './notifications.ts'
import { type OwnWork, type OwnWorkDone, ownWorkOf } from './own-work.ts'
import type { Ownership } from './ownership.ts'
import {
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_IPV6_IFADDR,
  RTNLGRP_IPV6_ROUTE,
  RTNLGRP_LINK,
  RTNLGRP_NEIGH,
} from './rtnetlink.ts'
import { RuleChanges } from './rule-changes.ts'

const NETLINK_ROUTE = 0

export interface ChangeFeedOptions {
  readonly owned: Ownership
  /** Milliseconds. */
  readonly interval: number
  readonly log: Logger
}

type Changed = (changes: KernelChanges) => void

const nothing: KernelChanges = { ours: false, host: false, firewall: false }
const everything: KernelChanges = { ours: true, host: true, firewall: true }
/** Between two times that all is learnt anew: it takes long where there is much. */
const fewestTicks = 5
/** Notifications that may wait to be looked at. */
const mostHeard = 1_000

/** A notification as it was taken off the socket, and the work of ours that it came with. */
interface Heard {
  readonly message: Message
  readonly netnsid: number | undefined
  readonly own: () => OwnWorkDone | undefined
}

export class ChangeFeed {
  readonly #interval: number
  readonly #log: Logger
  readonly #links = new MonitorSocket({
    protocol: NETLINK_ROUTE,
    groups: [
      RTNLGRP_LINK,
      RTNLGRP_NEIGH,
      RTNLGRP_IPV4_IFADDR,
      RTNLGRP_IPV4_ROUTE,
      RTNLGRP_IPV6_IFADDR,
      RTNLGRP_IPV6_ROUTE,
    ],
  })
  readonly #rules = new RuleChanges()
  /** For questions. */
  readonly #socket = new NetlinkSocket()
  readonly #strictSocket = new NetlinkSocket({ strict: true })
  readonly #notifications: Notifications
  readonly #watchers = new Set<Changed>()
  #timer: NodeJS.Timeout | undefined
  /** Something was missed: what is there has to be learnt anew. */
  #missed = false
  #ticksSinceLearnt = 0
  /** Whoever waits for our work does not wait for this: it is looked at with the next tick. */
  #heard: Heard[] = []

  /** Around requests of ours on the host, and in sandboxes. */
  readonly onHost: OwnWork
  readonly inSandboxes: OwnWork

  /** Works on the network namespace that the calling thread is in. @throws OverlayError */
  constructor({ owned, interval, log }: ChangeFeedOptions) {
    this.#interval = interval
    this.#log = log
    this.#notifications = new Notifications(owned)
    this.onHost = this.#ownWork(false)
    this.inSandboxes = this.#ownWork(true)
  }

  /** See Kernel.watchChanges. */
  watch(changed: Changed, signal: AbortSignal): void {
    if (signal.aborted) return
    if (this.#watchers.size === 0) this.#start()
    this.#watchers.add(changed)
    signal.addEventListener('abort', () => this.#unwatch(changed), { once: true })
  }

  /** Runs a change of ours to nftables. */
  changeFirewall(change: () => Promise<void>): Promise<void> {
    return this.#rules.ownChange(change)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    for (const socket of [this.#links, this.#rules, this.#socket, this.#strictSocket]) socket.close()
  }

  #ownWork(inside: boolean): OwnWork {
    return {
      begins: () => this.#hearAround([], inside),
      ended: (tasks) => this.#hearAround(tasks, inside),
    }
  }

  #start(): void {
    try {
      this.#subscribe()
    } catch (error) {
      throw OverlayError.from(error)
    }
    this.#learn()
    this.#timer = setInterval(() => this.#tell(), this.#interval).unref()
  }

  #subscribe(): void {
    try {
      this.#links.subscribe({ everywhere: true })
    } catch (error) {
      this.#log.warn({ err: error }, 'what changes in sandboxes is only seen by audits: run with CAP_NET_BROADCAST')
      this.#links.subscribe()
    }
    try {
      this.#rules.subscribe()
    } catch (error) {
      this.#log.warn({ err: error }, 'changes of nftables are only seen by audits')
    }
  }

  #unwatch(changed: Changed): void {
    this.#watchers.delete(changed)
    if (this.#watchers.size > 0 || !this.#timer) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#heard = []
    try {
      this.#links.unsubscribe()
      this.#rules.unsubscribe()
    } catch (error) {
      this.#log.debug({ err: error }, 'the kernel goes on to tell of changes')
    }
  }

  #tell(): void {
    const changes = this.#changes()
    if (changes.ours || changes.host || changes.firewall) for (const changed of this.#watchers) changed(changes)
  }

  #changes(): KernelChanges {
    try {
      this.#hear()
      this.#read()
      const firewall = this.#rules.take()
      if (this.#missed) {
        if (++this.#ticksSinceLearnt < fewestTicks) return { ...nothing, firewall }
        this.#learn()
        return everything
      }
      this.#ticksSinceLearnt++
      this.#notifications.readAgain((index) => findLinkByIndex(this.#socket, index))
      return { ...this.#notifications.take(), firewall }
    } catch (error) {
      this.#missed = true
      this.#ticksSinceLearnt = 0
      this.#log.warn({ err: error }, 'what has changed in the kernel cannot be told')
      return everything
    }
  }

  /** Our work goes on whatever comes of this. */
  #hearAround(tasks: readonly Request[], inside: boolean): void {
    if (!this.#timer) return
    try {
      this.#hear(tasks, inside)
    } catch (error) {
      this.#missed = true
      this.#log.debug({ err: error }, 'what has changed in the kernel could not be heard')
    }
  }

  #hear(tasks: readonly Request[] = [], inside = false): void {
    const own = onDemand(tasks, inside)
    const complete = this.#links.drain(({ payload, ...message }, netnsid) => {
      if (this.#missed || !isOfUse(message, netnsid)) return
      this.#heard.push({ message: { ...message, payload: Buffer.from(payload) }, netnsid, own })
      if (this.#heard.length >= mostHeard) this.#read()
    })
    if (!complete) this.#missed = true
  }

  /** Looks at what was heard, in its order. */
  #read(): void {
    const heard = this.#heard
    this.#heard = []
    if (this.#missed) return
    for (const { message, netnsid, own } of heard) this.#notifications.hear(message, netnsid, own())
  }

  #learn(): void {
    this.#notifications.learn({
      links: dumpLinks(this.#socket),
      farEnd: (veth) => farEnd(this.#strictSocket, veth, veth.peerNetnsid),
      eachEntry: (take) => eachEntry(this.#socket, take),
    })
    this.#notifications.take()
    this.#missed = false
    this.#ticksSinceLearnt = 0
  }
}

/** Most of our work ends before anybody looks at what the kernel tells of it. */
function onDemand(tasks: readonly Request[], inside: boolean): () => OwnWorkDone | undefined {
  let done: OwnWorkDone | undefined
  return () => {
    if (tasks.length > 0) done ??= ownWorkOf(tasks, inside)
    return done
  }
}
