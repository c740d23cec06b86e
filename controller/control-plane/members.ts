/** Hosts of the control plane, as members of etcd. */
import { OverlayError } from '../../lib/errors.ts'
import { quote } from '../../lib/quote.ts'
import { isFellow } from '../../lib/reach.ts'
import { ControlPlaneMember } from '../../proto/index.ts'
import type { MemberState } from '../../store/etcd-admin.ts'
import type { Store } from '../../store/store.ts'

/** More of them make every change slower, and nothing safer. */
const mostMembers = 5

/** All members, by name; those that have not started yet have none. @throws OverlayError `unavailable` */
export async function listMembers({ admin }: Store): Promise<ControlPlaneMember[]> {
  return recordsOf(await admin.memberStates())
}

/** What is not as it should be with the members, for people. */
export function memberProblems(members: readonly ControlPlaneMember[]): string[] {
  const voters = members.filter(({ learner }) => !learner)
  return [
    ...members.flatMap(({ name, peerUrl, problem }) => (problem ? `etcd on ${name || peerUrl}: ${problem}` : [])),
    ...members.flatMap(({ name, peerUrl, learner }) =>
      learner ? `etcd on ${name || peerUrl} has no vote yet: it is still joining` : [],
    ),
    ...(voters.length % 2 === 0
      ? [
          `the control plane has ${voters.length} hosts, and bears no more losses than one of ${voters.length - 1}: join another one`,
        ]
      : []),
  ]
}

/**
 * Adds a learner, or finds that it is there.
 * @throws OverlayError `invalid` (peer URL); `already_exists` when the name or
 * the URL is another member's; `failed_precondition` when there are as many as may
 * be, or one is still joining; `unavailable` when it is worth another attempt.
 */
export async function addMember({ admin }: Store, name: string, peerUrl: string): Promise<ControlPlaneMember> {
  const members = await admin.memberStates()
  const url = parsePeerUrl(peerUrl, members)
  const known = findMember(members, name, url)
  if (known) return { ...recordOf(known), name }
  if (members.length >= mostMembers)
    throw new OverlayError('failed_precondition', `a control plane has at most ${mostMembers} hosts`)
  const joining = members.find(({ isLearner }) => isLearner)
  if (joining)
    throw new OverlayError(
      'failed_precondition',
      `${joining.name || joining.peerURLs[0]} is still joining the control plane: wait until it is done, or remove it (its etcd member is ${hexId(joining)})`,
    )
  const added = await admin.addLearner(url)
  return { ...recordOf({ ...added, leader: false, answers: false, problem: '' }), name }
}

/** The member that is meant, if it is there. @throws OverlayError `already_exists` */
function findMember(members: readonly MemberState[], name: string, url: string): MemberState | undefined {
  const here = members.find(({ peerURLs }) => peerURLs.includes(url))
  if (here && (here.name === '' || here.name === name)) return here
  if (here) throw new OverlayError('already_exists', `etcd has a member at ${url} already: ${here.name}`)
  const namesake = members.find((member) => member.name === name)
  if (!namesake) return undefined
  throw new OverlayError(
    'already_exists',
    `etcd has a member ${name} already, at ${namesake.peerURLs.join(', ')}: if that host is gone, take it out of the control plane (overlayctl cluster certs revoke controller/${name}), and join then`,
  )
}

function parsePeerUrl(text: string, members: readonly MemberState[]): string {
  const wrong = (why: string) =>
    new OverlayError('invalid', `${quote(text)} is no peer URL of etcd: ${why} (for example https://10.0.0.2:2380)`)
  if (!URL.canParse(text)) throw wrong('it is no URL')
  const url = new URL(text)
  if (url.pathname !== '/' || url.search || url.hash || url.username) throw wrong('it has more than host and port')
  if (url.port === '') throw wrong('the port is missing')
  const known = members.flatMap(({ peerURLs }) => peerURLs.map((each) => new URL(each)))
  if (!isFellow(url, known)) throw wrong(`the members at ${known.map(({ host }) => host).join(', ')} cannot dial it`)
  return url.origin
}

/**
 * Gives the member its vote; one that has it is left alone.
 * @throws OverlayError `unavailable` until it runs and has caught up; `not_found`.
 */
export async function promoteMember({ admin }: Store, name: string): Promise<void> {
  const members = await admin.memberStates()
  const member = members.find((each) => each.name === name)
  if (member?.isLearner) return admin.promote(member.ID)
  if (member) return
  if (members.some((each) => each.name === ''))
    throw new OverlayError('unavailable', `etcd on ${name} has not started yet: try again`, { retryAfter: startTime })
  throw noMember(name)
}

/** Milliseconds until it is worth asking again whether etcd has started. */
const startTime = 500

/**
 * @throws OverlayError `not_found`; `failed_precondition` where those that are
 * left could decide nothing: it is the last, or too few of them answer.
 */
export async function removeMember({ admin }: Store, reference: string): Promise<void> {
  const members = await admin.memberStates()
  const member = members.find((each) => each.name === reference) ?? members.find((each) => hexId(each) === reference)
  if (!member) throw noMember(reference)
  if (!member.isLearner) requireMajority(member, members)
  await admin.removeMember(member.ID)
}

function requireMajority(leaving: MemberState, members: readonly MemberState[]): void {
  const rest = members.filter((each) => !each.isLearner && each.ID !== leaving.ID)
  const refused = (why: string) =>
    new OverlayError('failed_precondition', `etcd on ${leaving.name || hexId(leaving)} stays: ${why}`)
  if (rest.length === 0) throw refused('it is the only one, and has all that the cluster knows')
  const silent = rest.filter(({ answers }) => !answers)
  if (2 * (rest.length - silent.length) > rest.length) return
  const problems = silent.map(({ name, peerURLs, problem }) => `${name || peerURLs[0]} (${problem})`)
  throw refused(`without it the others have no majority: bring back ${problems.join(', ')} first`)
}

function noMember(name: string): OverlayError {
  return new OverlayError('not_found', `etcd has no member ${quote(name)}: "overlayctl cluster status" lists them`)
}

function recordsOf(members: readonly MemberState[]): ControlPlaneMember[] {
  return members.map(recordOf).toSorted((a, b) => a.name.localeCompare(b.name) || a.peerUrl.localeCompare(b.peerUrl))
}

function recordOf(member: MemberState): ControlPlaneMember {
  const { name, peerURLs, clientURLs, isLearner, leader, problem } = member
  return ControlPlaneMember.create({
    id: hexId(member),
    name,
    peerUrl: peerURLs[0] ?? '',
    clientUrl: clientURLs[0] ?? '',
    learner: isLearner,
    leader,
    problem,
  })
}

/** As etcdctl shows it. */
function hexId({ ID }: Pick<MemberState, 'ID'>): string {
  return BigInt(ID).toString(16)
}
