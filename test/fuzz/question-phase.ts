/** A controller that asks the agents anything, and what is no question. */
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { AgentMessage, Question } from '../../proto/index.ts'
import { put, remove } from '../../store/store.ts'
import { until } from '../lab/until.ts'
import { type RawLink, whileServing } from './agent-link-server.ts'
import type { Cluster } from './cluster.ts'
import { isForbidden } from './forbidden.ts'
import { malformed } from './malformed.ts'
import { type Kind, messages } from './messages.ts'
import { figure, problem } from './report.ts'
import { messageType } from './surface.ts'

export interface QuestionPhaseOptions {
  readonly seed: number
  /** To all agents together. */
  readonly questions: number
}

/** On one stream; the last thing that is said on it is no question. */
const ofStream = 25
/** Milliseconds, for all and for each. */
const patience = 60_000
const timeOfOne = 50

export async function fuzzQuestions(cluster: Cluster, { seed, questions }: QuestionPhaseOptions): Promise<void> {
  await cluster.reset()
  const streams = scripts(cluster, seed, questions)
  const expected = streams.length
  let asked = 0
  let answered = 0
  let ended = 0
  const connect = (call: RawLink) => {
    const script = streams.pop()
    const waiting = new Set<number>()
    let finished = script === undefined
    const finish = () => {
      if (finished) return
      finished = true
      if (script) call.write(script.last)
      call.end()
    }
    call
      .on('error', () => undefined)
      .on('data', (bytes: Buffer) => {
        const { answer } = AgentMessage.decode(bytes)
        if (answer && waiting.delete(answer.id)) answered++
        if (waiting.size === 0) finish()
      })
      .on('end', () => call.end())
      .on('close', () => ended++)
    for (const bytes of script?.first ?? []) {
      call.write(Buffer.from(bytes))
      const { id, applied, givenUp } = Question.decode(bytes)
      // Answered when the revision is there, which may be never; and what asks nothing.
      if (applied || givenUp) continue
      waiting.add(id)
      asked++
    }
    if (waiting.size === 0) finish()
  }
  const [host = ''] = cluster.facts.controller.split(':')
  await whileServing(host, connect, async (port) => {
    const key = cluster.store.keys.controller('fuzz')
    const record = { id: 'fuzz', address: `${host}:${port}` }
    await cluster.store.commit({ compares: [], writes: [put(key, record)] })
    const deadline = patience + timeOfOne * questions
    await until(() => ended >= expected, { what: 'all questions to be asked', deadline, every: 50 }).catch(
      () => undefined,
    )
    await cluster.store.commit({ compares: [], writes: [remove(key)] })
  })
  if (answered < asked || ended < expected)
    problem(`questions: ${answered} of ${asked} were answered, ${ended} of ${expected} streams have ended`)
  const faults = await cluster.faults()
  if (faults) problem(`questions left the cluster inconsistent: ${faults}`)
  await cluster.reset()
  figure(`questions: ${asked} asked on ${expected} streams, ${answered} answered`)
}

interface Script {
  readonly first: readonly Uint8Array[]
  /** Said when those are answered. */
  readonly last: Buffer
}

function scripts({ surroundings: there, facts }: Cluster, seed: number, questions: number): Script[] {
  const input = messageType('Question')
  const kept = { nodes: [], canary: [facts.canary.network, ...facts.canary.ids] }
  const allowed = (bytes: Uint8Array) => !isForbidden({ name: 'Question', input }, bytes, kept)
  const wild = messages(input, { tame: false, there })
  const arbitrary = fc.oneof(single(input, { tame: true, there }), single(input, { tame: false, there }), wild)
  const all = fc.sample(arbitrary, { seed, numRuns: questions }).filter(allowed)
  const last = fc.sample(malformed(wild), { seed, numRuns: questions }).filter(allowed)
  const count = Math.ceil(all.length / ofStream)
  return Array.from({ length: count }, (_, at) => ({
    first: all.slice(at * ofStream, (at + 1) * ofStream).map((bytes, n) => numbered(bytes, n + 1)),
    last: Buffer.from(last[at] ?? []),
  }))
}

/** Of a oneof one member, as a controller writes it. */
function single(input: protobuf.Type, kind: Kind): fc.Arbitrary<Uint8Array> {
  const members = input.oneofsArray.flatMap(({ fieldsArray }) => fieldsArray)
  const each = members.flatMap((field) => {
    const { id, resolvedType } = field.resolve()
    if (!(resolvedType instanceof protobuf.Type)) return []
    const written = (bytes: Uint8Array) =>
      protobuf.Writer.create()
        .uint32((id << 3) | 2)
        .bytes(bytes)
        .finish()
    return messages(resolvedType, kind).map(written)
  })
  return fc.oneof(...each)
}

/** The last one of a field's values holds: each question gets a number of its own. */
function numbered(bytes: Uint8Array, id: number): Uint8Array {
  return Buffer.concat([bytes, Question.encode({ id })])
}
