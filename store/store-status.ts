/** How the members of the etcd cluster are. */
import { StoreMember } from '../proto/index.ts'
import {
  type ListedMember,
  type MemberListResponse,
  memberList,
  memberStatus,
  type StatusResponse,
} from './etcd-api.ts'
import type { MemberAnswer, Members } from './members.ts'
import { StoreFullError } from './store.ts'

/** See Store.members. */
export async function storeMembers(members: Members, within: number): Promise<StoreMember[]> {
  const [answers, known] = await Promise.all([
    members.askEach(memberStatus, {}, within),
    // Without a majority there is no list: then those that we have URLs of are all.
    members.read(memberList, {}).catch(() => undefined),
  ])
  return membersOf(answers, known).toSorted((a, b) => a.name.localeCompare(b.name) || a.url.localeCompare(b.url))
}

/** See Store.requireRoom. Any member knows of the alarm, which is the whole cluster's. */
export async function requireRoom(members: Members): Promise<void> {
  const { errors } = await members.read(memberStatus, {})
  if (errors.some((error) => alarmOf(error) === 'NOSPACE')) throw new StoreFullError()
}

export function membersOf(
  answers: readonly MemberAnswer<StatusResponse>[],
  known: MemberListResponse | undefined,
): StoreMember[] {
  const listed = known?.members ?? []
  const answerOf = ({ ID, clientURLs }: (typeof listed)[number]) =>
    answers.find(({ answer }) => answer?.header.member_id === ID) ??
    answers.find(({ url, answer }) => !answer && clientURLs.includes(url))
  const rest = answers.filter((answer) => !listed.some((member) => answerOf(member) === answer))
  // Two URLs may be one member's.
  const unlisted = rest.filter(({ answer }) => !answer || !listed.some(({ ID }) => ID === answer.header.member_id))
  return [
    ...listed.map((member) => {
      const found = answerOf(member)
      const url = member.clientURLs[0] ?? found?.url ?? ''
      return StoreMember.create({ name: member.name, url, ...(found ? stateOf(found) : {}) })
    }),
    ...unlisted.map((answer) => StoreMember.create({ url: answer.url, ...stateOf(answer) })),
  ]
}

/** A member of the etcd cluster, asked itself. */
export interface MemberState extends ListedMember {
  readonly leader: boolean
  readonly answers: boolean
  /** Empty: it answers and has no alarm. */
  readonly problem: string
}

/** See EtcdAdmin.memberStates. */
export async function memberStates(members: Members, within: number): Promise<MemberState[]> {
  const { members: listed } = await members.read(memberList, { linearizable: true })
  const urls = listed.flatMap(({ clientURLs }) => clientURLs[0] ?? [])
  const answers = urls.length > 0 ? await members.askEach(memberStatus, {}, within, urls) : []
  return listed.map((member) => {
    const answer = answers.find(({ url }) => url === member.clientURLs[0])
    const state = answer ? stateOf(answer) : { leader: false, problem: 'it has not started yet' }
    return { ...member, ...state, answers: answer?.answer !== undefined }
  })
}

function stateOf({ answer, problem = '' }: MemberAnswer<StatusResponse>) {
  if (!answer) return { leader: false, problem }
  const { header, leader, errors } = answer
  return { leader: leader === header.member_id, problem: [...new Set(errors.map(problemText))].join('; ') }
}

/** As etcd prints an alarm among its errors: `memberID:8211f1d0f64f3269 alarm:NOSPACE `. */
function alarmOf(error: string): string | undefined {
  return /\balarm:(\w+)/.exec(error)?.[1]
}

function problemText(error: string): string {
  const alarm = alarmOf(error)
  if (alarm === 'NOSPACE') return new StoreFullError().message
  if (alarm) return `alarm ${alarm}: see "etcdctl alarm list"`
  return error.replace(/^etcdserver: no leader$/, 'it has no leader').trim()
}
