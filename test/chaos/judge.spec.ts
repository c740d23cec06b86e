import { describe, expect, it } from 'vitest'
import { Endpoint, Network } from '../../proto/index.ts'
import { judgeAddresses } from './address-histories.ts'
import { drainTurns, judge } from './judge.ts'
import type { Action, Operation, Outcome, Slot } from './operations.ts'
import { type ClusterState, emptyState } from './state.ts'

const slot: Slot = { name: 's1', path: '/run/netns/s1', host: 'h1' }
const other: Slot = { name: 's2', path: '/run/netns/s2', host: 'h2' }
const web = Network.create({ name: 'web', uid: 'u1', vni: 5, subnets: [{ cidr: '10.0.0.0/28' }] })

function endpoint(id: string, address = '10.0.0.2', at = slot): Endpoint {
  const sandbox = { path: at.path }
  return Endpoint.create({ id, network: 'web', networkUid: 'u1', node: at.host, addresses: [address], sandbox })
}

function state(endpoints: readonly Endpoint[] = [], networks: readonly Network[] = [web]): ClusterState {
  return {
    endpoints: new Map(endpoints.map((each) => [each.id, each])),
    networks: new Map(networks.map((each) => [each.name, each])),
  }
}

type Step = readonly [Action, Outcome, start?: number, end?: number]

/** One after the other, a second long each, unless said otherwise. */
function history(...steps: readonly Step[]): Operation[] {
  return steps.map(([action, outcome, start = 0, end = start + 1], n) => ({
    client: `c${n}`,
    start: start || n * 10,
    end: start ? end : n * 10 + 1,
    action,
    outcome,
  }))
}

const attach = (at = slot): Action => ({
  do: 'attach',
  via: 'agent',
  network: 'web',
  slot: at,
  name: '',
  addresses: [],
})
const detach = (endpointId?: string, at = slot): Action => ({
  do: 'detach',
  via: 'agent',
  network: 'web',
  slot: at,
  endpointId,
})
const rm = (force: boolean): Action => ({ do: 'rm', via: 'c', network: 'web', force })
const create: Action = { do: 'create', via: 'c', network: 'web', cidr: '10.0.0.0/28' }
const grow: Action = { do: 'grow', via: 'c', network: 'web', cidr: '10.0.0.0/27' }
const drain: Extract<Action, { do: 'drain' }> = { do: 'drain', via: 'c', node: 'h1', keep: false }
const undrain: Action = { do: 'undrain', via: 'c', node: 'h1' }
const forget: Action = { do: 'forget', via: 'c', node: 'h1' }
const vanish: Action = { do: 'vanish', slot }
const appear: Action = { do: 'appear', slot }

const done = (what: Endpoint | Network): Outcome =>
  'vni' in what ? { is: 'done', network: what } : { is: 'done', endpoint: what }
const ok: Outcome = { is: 'done' }
const refused: Outcome = { is: 'refused', code: 'exhausted', message: 'full', isSent: true }
const unknown: Outcome = { is: 'unknown', code: 'unavailable', message: 'broke' }
const internal: Outcome = { is: 'unknown', code: 'internal', message: 'cannot read' }

const a = endpoint('a')
const b = endpoint('b')

function told(operations: readonly Operation[], after: ClusterState, before = state()): readonly string[] {
  return judge({ before, operations, formerTurns: [], after, settled: 1_000 }).map(({ what }) => what)
}

describe('judge', () => {
  it.each([
    ['what was attached is there', history([attach(), done(a)]), state([a])],
    ['what was detached is gone', history([attach(), done(a)], [detach('a'), done(a)]), state()],
    ['a detach without an answer: there', history([attach(), done(a)], [detach('a'), unknown]), state([a])],
    ['a detach without an answer: gone', history([attach(), done(a)], [detach(), unknown]), state()],
    ['an attach without an answer: there', history([attach(), unknown]), state([a])],
    ['an attach without an answer: not there', history([attach(), unknown]), state()],
    ['a forced rm', history([attach(), done(a)], [rm(true), done(web)]), state([], [])],
    ['a forced rm that got half way', history([attach(), done(a)], [rm(true), refused]), state()],
    [
      'a network made again',
      history([rm(false), done(web)], [create, done({ ...web, uid: 'u2' })]),
      state([], [{ ...web, uid: 'u2' }]),
    ],
    [
      'a create without an answer',
      history([rm(false), done(web)], [create, unknown]),
      state([], [{ ...web, uid: 'u2' }]),
    ],
    ['a drain', history([attach(), done(a)], [drain, ok]), state()],
    ['a node forgotten', history([attach(), done(a)], [forget, ok]), state()],
    ['a node forgotten half way', history([attach(), done(a)], [forget, refused]), state()],
    ['new after the drained node was forgotten', history([drain, ok], [forget, ok], [attach(), done(a)]), state([a])],
    ['new after the drain was ended', history([drain, ok], [undrain, unknown], [attach(), done(a)]), state([a])],
    [
      'on a drained node, what was there before its sandbox was started anew',
      history([attach(), done(a)], [vanish, ok], [{ ...drain, keep: true }, ok], [attach(), done(a)]),
      state([a]),
    ],
    ['a sandbox that is gone', history([attach(), done(a)], [vanish, ok]), state()],
    ['one that came back', history([attach(), done(a)], [vanish, ok], [attach(), done(a)]), state([a])],
    ['one that may have come back', history([attach(), done(a)], [vanish, ok], [attach(), unknown]), state([a])],
    [
      'grown',
      history([grow, done(web)]),
      state([], [{ ...web, subnets: Network.create({ subnets: [{ cidr: '10.0.0.0/27' }] }).subnets }]),
    ],
  ])('takes: %s', (_, operations, after) => {
    expect(told(operations, after)).toEqual([])
  })

  it.each([
    ['an attach that is lost', history([attach(), done(a)]), state(), 'is gone'],
    [
      'one that was attached after its sandbox had vanished',
      history([vanish, ok, 1, 2], [appear, ok, 3, 4], [attach(), done(a), 9, 10]),
      state(),
      'is gone',
    ],
    [
      'one that was attached again after its sandbox had vanished',
      history([attach(), done(a)], [vanish, ok], [appear, ok], [attach(), done(a)]),
      state(),
      'is gone',
    ],
    ['what a node was forgotten with', history([attach(), done(a)], [forget, ok]), state([a]), 'and is there'],
    ['one that came after its node was not', history([forget, refused], [attach(), done(a)]), state(), 'is gone'],
    ['one that came after its node was forgotten', history([forget, ok], [attach(), done(a)]), state(), 'is gone'],
    ['an internal error', history([attach(), internal]), state(), 'the answer to attach was an internal error'],
    ['a create that says nothing', history([create, ok]), state(), 'the answer to create does not say'],
    ['an rm that says nothing', history([rm(true), ok]), state(), 'the answer to rm does not say'],
    ['one that nobody detached since', history([detach('a'), done(a)], [attach(), done(b)]), state(), 'is gone'],
    ['a detach that is not done', history([attach(), done(a)], [detach('a'), done(a)]), state([a]), 'and is there'],
    [
      'another address',
      history([attach(), done(a)]),
      state([endpoint('a', '10.0.0.3')]),
      'addresses were 10.0.0.2, are 10.0.0.3',
    ],
    ['an endpoint of nobody', history(), state([a]), 'nobody asked'],
    ['one that was refused', history([attach(), refused]), state([a]), 'nobody asked'],
    ['one of another sandbox than asked for', history([attach(other), unknown]), state([a]), 'nobody asked'],
    ['a network that is lost', history(), state([], []), 'is gone'],
    ['a network that was not removed', history([rm(false), done(web)]), state(), 'and is there'],
    [
      'endpoints that go with an rm without force',
      history([attach(), done(a)], [rm(false), done(web)]),
      state([], []),
      'endpoint a',
    ],
    ['another VNI', history(), state([], [{ ...web, vni: 6 }]), 'VNI 6'],
    ['not grown', history([grow, done(web)]), state(), 'has not'],
    ['what a drain left', history([attach(), done(a)], [drain, ok]), state([a]), 'and is there'],
    ['new on a drained node', history([drain, ok], [attach(), done(a)]), state([a]), 'was drained'],
    ['what lived in a sandbox that is gone', history([attach(), done(a)], [vanish, ok]), state([a]), 'and is there'],
    ['an answer to another question', history([attach(other), done(a)]), state([a]), 'on h1'],
  ])('finds: %s', (_, operations, after, what) => {
    expect(told(operations, after).join('\n')).toContain(what)
  })

  it('remembers a drain of an earlier round', () => {
    const operations = history([attach(), done(a), 20, 21])
    const judged = (...turns: readonly Step[]) =>
      judge({
        before: state(),
        operations,
        formerTurns: drainTurns(history(...turns)),
        after: state([a]),
        settled: 1_000,
      }).map(({ what }) => what)
    expect(judged([drain, ok, 1, 2])).toEqual(['h1 was drained, and took a new endpoint'])
    expect(judged([drain, ok, 1, 2], [undrain, ok, 3, 4])).toEqual([])
    const notSent: Outcome = { is: 'refused', code: 'unavailable', message: 'No connection', isSent: false }
    expect(judged([drain, ok, 1, 2], [undrain, notSent, 3, 4])).toHaveLength(1)
  })

  it('names the operations concerned', () => {
    const operations = history([attach(), done(a)], [attach(other), refused])
    const [violation] = judge({ before: emptyState, operations, formerTurns: [], after: emptyState, settled: 1_000 })
    expect(violation?.operations).toEqual(['0.000-0.001 c0: attach web s1@h1 (agent) -> done a 10.0.0.2'])
  })
})

describe('judgeAddresses', () => {
  const judged = (operations: readonly Operation[], after: ClusterState, before = state()) =>
    judgeAddresses({ before, operations, formerTurns: [], after, settled: 1_000 }).map(({ what }) => what)
  const two = 'no order of what was told lets 10.0.0.2 of web have one owner at a time'

  it.each([
    ['one after the other', history([attach(), done(a)], [detach(), done(a)], [attach(), done(b)]), state([b])],
    [
      'the next while the detach is under way',
      history([attach(), done(a)], [detach(), done(a), 20, 90], [attach(), done(b), 30, 40]),
      state([b]),
    ],
    ['a detach without an answer', history([attach(), done(a)], [detach(), unknown], [attach(), done(b)]), state([b])],
    [
      'a detach with a warning takes its time',
      history([attach(), done(a)], [detach(), { is: 'done', endpoint: a, warning: 'later' }], [attach(), unknown]),
      state(),
    ],
    ['the same endpoint again', history([attach(), done(a)], [vanish, ok], [attach(), done(a)]), state([a])],
    [
      'of another network of that name',
      history([attach(), done(a)], [attach(), done({ ...b, networkUid: 'u2' })]),
      state([a, { ...b, networkUid: 'u2' }]),
    ],
  ] satisfies [string, Operation[], ClusterState][])('takes: %s', (_, operations, after) => {
    expect(judged(operations, after)).toEqual([])
  })

  it.each([
    ['two at once', history([attach(), done(a)], [attach(other), done(b)]), state([a])],
    [
      'before the detach began',
      history([attach(), done(a)], [attach(other), done(b)], [detach('a'), done(a)]),
      state([b]),
    ],
    [
      'before the detach began, with a vanish long before',
      history(
        [vanish, ok, 1, 2],
        [attach(), done(a), 9, 10],
        [attach(other), done(b), 11, 12],
        [detach('a'), done(a), 13, 14],
      ),
      state([b]),
    ],
    ['while the former round still has it', history([attach(other), done(b)]), state([b]), state([a])],
    ['after its end', history([attach(), done(a)], [detach('a'), done(a)], [attach(), done(a)]), state([])],
    ['two in what is read', history([attach(), unknown], [attach(), unknown]), state([a, b])],
    ['a detach of another', history([attach(), done(a)], [detach('c'), unknown], [attach(other), done(b)]), state([b])],
  ] as [string, Operation[], ClusterState, ClusterState?][])('rejects: %s', (_, operations, after, before) => {
    expect(judged(operations, after, before)).toEqual([two])
  })
})
