/** Streams to all controllers, on which they ask this host. Agents dial; nobody dials them. */

import { hasCode, OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { createGate } from '../lib/overload.ts'
import { type Backoff, delayBefore, pause } from '../lib/retry.ts'
import { createRpcClient, type Duplex, type RpcClientOptions } from '../lib/rpc-client.ts'
import { firstOf } from '../lib/signals.ts'
import {
  AgentLinkService,
  type AgentMessage,
  type Answer,
  type Hello,
  type Init,
  type Question,
  type Repairs,
} from '../proto/index.ts'
import { aborted } from '../store/hold-lease.ts'
import type { Controllers } from './controllers.ts'

const reconnect: Backoff = { first: 100, most: 3_000 }
/** A stream that lived so many milliseconds was a good one. */
const steady = 10_000
/** Of one that refuses us by our certificate: that passes by somebody's hand only. */
const refused: Backoff = { first: 5_000, most: 60_000 }
/** A stream that was not refused within so many milliseconds was taken. */
const taken = 2_000
/** Questions of one controller that may be answered at a time. */
const mostQuestions = 1_000

/**
 * The answer to a question, without its id. `signal` aborts with the stream, or
 * when whoever asked has gone. @throws OverlayError
 */
export type Answerer = (question: Question, signal: AbortSignal) => Promise<Init<Omit<Answer, 'id' | 'problem'>>>

export interface ControllerLinksOptions {
  readonly controllers: Controllers
  readonly hello: Init<Hello>
  readonly credentials: RpcClientOptions['credentials']
  readonly answer: Answerer
  /** Listens to what the agent mends. @returns how to end that. */
  readonly onRepairs: (listener: (repairs: Repairs) => void) => () => void
  /** Listens for another address of this host: connections from the former one are dead. @returns how to end that. */
  readonly onOtherAddress: (listener: () => void) => () => void
  /** A controller refuses this host's certificate, and says why; undefined: it does no more. */
  readonly onRefused: (address: string, why: OverlayError | undefined) => void
  readonly signal: AbortSignal
  readonly log: Logger
}

/** Keeps one stream to each controller that etcd names; ends when the signal aborts. */
export async function linkControllers(options: ControllerLinksOptions): Promise<void> {
  const { controllers, onOtherAddress, onRefused, signal, log } = options
  const links = new Map<string, { address: string; stop: AbortController }>()
  const unlink = (id: string) => {
    const link = links.get(id)
    links.delete(id)
    link?.stop.abort()
    if (link) onRefused(link.address, undefined)
  }
  const link = (id: string, address: string) => {
    if (links.get(id)?.address === address) return
    unlink(id)
    const stop = new AbortController()
    links.set(id, { address, stop })
    keepLink(options, address, firstOf(signal, stop.signal)).catch((error: unknown) =>
      log.debug({ err: error, address }, 'link to controller ended'),
    )
  }
  const linkAll = () => {
    const known = controllers.all()
    for (const id of links.keys()) if (!known.has(id)) unlink(id)
    for (const [id, address] of known) link(id, address)
  }
  const redialAll = () => {
    // Of a copy: what is linked anew is not to be come upon again.
    for (const [id, { address }] of new Map(links)) {
      unlink(id)
      link(id, address)
    }
  }
  for (const end of [onOtherAddress(redialAll), controllers.onChange(linkAll)])
    signal.addEventListener('abort', end, { once: true })
  linkAll()
  await aborted(signal)
}

async function keepLink(options: ControllerLinksOptions, address: string, signal: AbortSignal): Promise<void> {
  const client = createRpcClient({ address, credentials: options.credentials, timeout: 10_000 })
  signal.addEventListener('abort', () => client.close(), { once: true })
  let failures = 0
  while (!signal.aborted) {
    const began = performance.now()
    let asked = false
    let pace = reconnect
    const timer = setTimeout(() => options.onRefused(address, undefined), taken)
    const onQuestion = () => {
      asked = true
    }
    try {
      await converse(options, client.service(AgentLinkService).connect({ signal }), signal, onQuestion)
      options.log.debug({ address }, 'the controller ended the stream')
    } catch (error) {
      options.log.debug({ err: error, address }, 'no link to controller')
      if (isRefusal(error) && !signal.aborted) {
        options.onRefused(address, error)
        pace = refused
      }
    } finally {
      clearTimeout(timer)
    }
    if (asked || performance.now() - began > steady) failures = 0
    await pause(delayBefore(failures++, pace), signal)
  }
}

/** By who we are, not by what was asked. */
function isRefusal(error: unknown): error is OverlayError {
  return hasCode(error, 'unauthenticated') || hasCode(error, 'permission_denied')
}

type Link = Duplex<AgentMessage, Question>

/** Answers what is asked, until whoever asked has gone, or the stream ends. */
async function converse(
  { hello, answer, onRepairs, log }: ControllerLinksOptions,
  link: Link,
  signal: AbortSignal,
  onQuestion: () => void,
): Promise<void> {
  const ended = new AbortController()
  const underWay = createUnderWay(answer, firstOf(signal, ended.signal))
  const reply = async (question: Question) => {
    const given = await underWay.answer(question)
    if (given) link.send({ answer: { ...given, id: question.id } })
  }
  let tellNoMore = () => {}
  try {
    link.send({ hello })
    // They are bounded where they come from: what a controller does not read is cut off with the stream.
    tellNoMore = onRepairs((repairs) => tell(link, repairs, log))
    for await (const question of link) {
      onQuestion()
      if (question.givenUp) underWay.giveUp(question.id)
      else reply(question).catch((error: unknown) => log.debug({ err: error }, 'answer could not be sent'))
    }
  } finally {
    tellNoMore()
    ended.abort()
  }
}

/** The questions of one stream that are being answered. `stream` aborts with it. */
function createUnderWay(answerer: Answerer, stream: AbortSignal) {
  const gate = createGate('this agent', 'questions', mostQuestions)
  const asked = new Map<number, AbortController>()

  const answerWithin = async (question: Question, signal: AbortSignal): Promise<Init<Answer>> => {
    try {
      const leave = gate.enter()
      try {
        return await answerer(question, signal)
      } finally {
        leave()
      }
    } catch (thrown) {
      const { code, message, retryAfter } = OverlayError.from(thrown)
      return { problem: { code, message, retryAfter } }
    }
  }

  return {
    /** Undefined when whoever asked has gone meanwhile. */
    async answer(question: Question): Promise<Init<Answer> | undefined> {
      const gone = new AbortController()
      asked.set(question.id, gone)
      const given = await answerWithin(question, firstOf(stream, gone.signal))
      asked.delete(question.id)
      if (gone.signal.aborted) return undefined
      // Nothing of this question is left in the stream's signal.
      gone.abort()
      return given
    },
    /** What is not under way any more has its answer. */
    giveUp(id: number): void {
      asked.get(id)?.abort()
    },
  }
}

/** A stream that has just broken takes nothing more: they are told to whoever is connected. */
function tell(link: Link, repairs: Repairs, log: Logger): void {
  try {
    link.send({ repairs })
  } catch (error) {
    log.debug({ err: error }, 'repairs could not be sent')
  }
}
