/** Learns from etcd who its members are now: so that a client that knew one of them outlives it. */
import { setMaxListeners } from 'node:events'
import type { Logger } from '../lib/log.ts'
import { isFellow } from '../lib/reach.ts'
import { type Backoff, delayBefore, pause } from '../lib/retry.ts'
import { parseEtcdUrls } from './endpoints.ts'
import { type ListedMember, memberList, memberStatus } from './etcd-api.ts'
import type { Members } from './members.ts'

/** Milliseconds, jittered, between looks while nothing fails. */
const lookEvery = 60_000
/** Milliseconds between looks though members fail. */
const leastBetween = 1_000
const backoff: Backoff = { first: leastBetween, most: 30_000 }
/** Milliseconds that a URL which etcd does not name has to tell whose it is. */
const statusTime = 3_000

export interface DiscoveryOptions {
  /** See ConnectOptions. */
  readonly onMembers: ((urls: readonly string[]) => void) | undefined
  readonly log: Logger
  readonly signal: AbortSignal
}

/** Looks at once, every minute, and when a member fails, until the signal aborts. */
export function discoverMembers(members: Members, options: DiscoveryOptions): void {
  const { log, signal } = options
  let told: readonly string[] = []
  const look = async () => {
    const urls = await membersNow(members)
    if (signal.aborted || isSame(urls, told)) return
    if (!isSame(urls, members.urls)) log.info({ urls, before: members.urls }, 'members of etcd found')
    members.adopt(parseEtcdUrls(urls, false))
    told = urls
    options.onMembers?.(urls)
  }
  const run = async () => {
    let failed = new AbortController()
    const end = members.onFailure(() => failed.abort())
    for (let failures = 0; !signal.aborted; ) {
      failed = new AbortController()
      setMaxListeners(0, failed.signal)
      try {
        await look()
        failures = 0
      } catch (error) {
        log.debug({ err: error }, 'etcd does not tell its members')
        failures++
      }
      await pause(failures > 0 ? delayBefore(failures - 1, backoff) : leastBetween, signal)
      if (failures === 0) await pause(lookEvery * (0.8 + 0.4 * Math.random()), signal, failed.signal)
    }
    end()
  }
  run().catch((error: unknown) => log.error({ err: error }, 'members of etcd are discovered no more'))
}

const isSame = (some: readonly string[], others: readonly string[]) => some.join() === others.join()

/** The URLs to go by from now on: those that are known, as far as they still hold, and then new ones. @throws OverlayError */
async function membersNow(members: Members): Promise<readonly string[]> {
  const { members: listed } = await members.read(memberList, { linearizable: true })
  const known = members.urls
  const unlisted = known.filter((url) => !listed.some(({ clientURLs }) => clientURLs.includes(url)))
  const whose = await ownersOf(members, unlisted)
  return currentUrls(known, listed, whose)
}

/** The id of the member that answers at each URL; undefined: none does. */
async function ownersOf(members: Members, urls: readonly string[]): Promise<ReadonlyMap<string, string | undefined>> {
  if (urls.length === 0) return new Map()
  const answers = await members.askEach(memberStatus, {}, statusTime, urls)
  return new Map(answers.map(({ url, answer }) => [url, answer?.header.member_id]))
}

/**
 * `whose` tells of each known URL that etcd does not name which member answers
 * there. Such a URL stays while that is one of the listed (another name of it, a
 * load balancer); one that nobody answers at goes only if every member can be
 * reached without it. Members that have no vote yet, or tell an address that
 * cannot be dialled from elsewhere, are not added.
 */
export function currentUrls(
  known: readonly string[],
  listed: readonly Pick<ListedMember, 'ID' | 'clientURLs' | 'isLearner'>[],
  whose: ReadonlyMap<string, string | undefined>,
): readonly string[] {
  const fellows = known.map((url) => new URL(url))
  const voters = listed.filter(({ isLearner }) => !isLearner)
  const reachable = voters.map(
    ({ clientURLs }) =>
      clientURLs.find((url) => known.includes(url)) ??
      clientURLs.find((url) => URL.canParse(url) && isFellow(new URL(url), fellows)),
  )
  const isComplete = reachable.length > 0 && reachable.every((url) => url !== undefined)
  const isKept = (url: string) => {
    if (!whose.has(url)) return true
    const owner = whose.get(url)
    if (owner === undefined) return !isComplete
    return listed.some(({ ID }) => ID === owner) || !isComplete
  }
  const added = reachable.filter((url): url is string => url !== undefined && !known.includes(url))
  return [...known.filter(isKept), ...added]
}
