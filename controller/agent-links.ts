/** The streams that the agents have opened to this controller, and the questions on them. */
import { isErrorCode, OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { parseName } from '../lib/names.ts'
import { overloaded } from '../lib/overload.ts'
import type { Identity } from '../lib/pki/identity.ts'
import { pause } from '../lib/retry.ts'
import {
  type AgentMessage,
  type Answer,
  type Hello,
  type Init,
  type Problem,
  Question,
  type Repairs,
} from '../proto/index.ts'
import { Outbox } from './outbox.ts'
import { repairsIntake } from './repairs.ts'

/** An agent that has just connected says who it is within so many milliseconds. */
const helloTime = 10_000
/** Questions to one agent that may wait for it to read them, or to answer. */
const mostWaiting = 10_000

/** What may be asked: a question without its number. */
export type Ask = Omit<Init<Question>, 'id'>

/** All links of this controller. */
export class AgentLinks {
  readonly #links = new Map<string, Link>()
  readonly #listeners = new Set<() => void>()
  readonly #repairListeners = new Set<(node: string, repairs: Repairs) => void>()
  readonly #log: Logger

  constructor(log: Logger) {
    this.#log = log
  }

  isConnected(node: string): boolean {
    return this.#links.has(node)
  }

  /** Told whenever an agent has come or gone. @returns how to end that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Told of what agents have mended on their hosts. @returns how to end that. */
  onRepairs(listener: (node: string, repairs: Repairs) => void): () => void {
    this.#repairListeners.add(listener)
    return () => this.#repairListeners.delete(listener)
  }

  /**
   * Asks a node's agent. When `signal` aborts, the agent is told that nobody
   * waits for its answer any more; one that is too old to understand that goes
   * on, and its answer is passed over.
   * @throws OverlayError what the agent answers with; `unavailable` when it is
   * not connected or its stream ends; `deadline` when `signal` aborts.
   */
  async ask(node: string, question: Ask, signal: AbortSignal): Promise<Answer> {
    const link = this.#links.get(node)
    if (!link)
      throw new OverlayError(
        'unavailable',
        `the agent of node ${node} has no connection to this controller: see that it runs and reaches the controllers`,
      )
    return link.ask(question, signal)
  }

  /**
   * The life of one stream: takes the agent's messages, gives the questions. A
   * newer stream of the same node ends the older one.
   * @param caller whoever opened it, where that is known.
   * @throws OverlayError `permission_denied` when a node says that it is another.
   */
  async *connect(
    messages: AsyncIterable<AgentMessage>,
    signal: AbortSignal,
    caller?: Identity,
  ): AsyncGenerator<Question, void> {
    const incoming = messages[Symbol.asyncIterator]()
    const hello = await firstMessage(incoming, signal)
    if (!hello || signal.aborted) return
    if (caller) refuseForeign(hello, caller)
    const link = new Link(hello.node)
    const end = () => link.end()
    signal.addEventListener('abort', end, { once: true })
    this.#links.get(hello.node)?.end(new OverlayError('conflict', `node ${hello.node} has opened a newer stream`))
    this.#links.set(hello.node, link)
    this.#log.info({ node: hello.node, version: hello.version }, 'agent connected')
    this.#tell()
    const bounded = repairsIntake()
    void takeMessages(incoming, link, (repairs) => {
      const taken = bounded(repairs)
      if (taken) for (const listener of this.#repairListeners) listener(hello.node, taken)
    })
    try {
      yield* link.questions
    } finally {
      signal.removeEventListener('abort', end)
      link.end()
      if (this.#links.get(hello.node) === link) {
        this.#links.delete(hello.node)
        this.#log.info({ node: hello.node }, 'agent disconnected')
        this.#tell()
      }
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}

interface Pending {
  resolve(answer: Answer): void
  reject(error: OverlayError): void
}

/** One stream: numbers the questions, and matches answers to them. */
class Link {
  readonly node: string
  readonly questions = new Outbox<Question>(mostWaiting)
  readonly #pending = new Map<number, Pending>()
  #lastId = 0
  /** Set once the stream has ended: nobody will answer. */
  #ended: OverlayError | undefined

  constructor(node: string) {
    this.node = node
  }

  ask(question: Ask, signal: AbortSignal): Promise<Answer> {
    if (this.#ended) return Promise.reject(this.#ended)
    if (this.#pending.size >= mostWaiting)
      return Promise.reject(overloaded(`${mostWaiting} questions wait for the agent of node ${this.node}`))
    if (signal.aborted) return Promise.reject(this.#late())
    const id = ++this.#lastId
    const asked = Question.create({ ...question, id })
    return new Promise<Answer>((resolve, reject) => {
      const giveUp = () => {
        this.#pending.get(id)?.reject(this.#late())
        if (!this.questions.withdraw(asked)) this.questions.put(Question.create({ id, givenUp: {} }))
      }
      const settled = () => {
        this.#pending.delete(id)
        signal.removeEventListener('abort', giveUp)
      }
      this.#pending.set(id, {
        resolve: (answer) => {
          settled()
          resolve(answer)
        },
        reject: (error) => {
          settled()
          reject(error)
        },
      })
      signal.addEventListener('abort', giveUp, { once: true })
      this.questions.put(asked)
    })
  }

  #late(): OverlayError {
    return new OverlayError('deadline', `the agent of node ${this.node} has not answered in time`)
  }

  answer(answer: Answer): void {
    const pending = this.#pending.get(answer.id)
    if (answer.problem) pending?.reject(problemError(this.node, answer.problem))
    else pending?.resolve(answer)
  }

  /** No more questions; those without an answer fail, and so do later ones. */
  end(error?: OverlayError): void {
    this.questions.end(error)
    const lost = new OverlayError('unavailable', `the connection to the agent of node ${this.node} was lost`)
    this.#ended ??= lost
    for (const pending of this.#pending.values()) pending.reject(lost)
  }
}

/** Undefined when the signal aborts before it. @throws OverlayError */
async function firstMessage(incoming: AsyncIterator<AgentMessage>, signal: AbortSignal): Promise<Hello | undefined> {
  const done = new AbortController()
  const late = pause(helloTime, signal, done.signal)
  const first = await Promise.race([incoming.next(), late])
    .catch((error: unknown) => {
      throw new OverlayError('unavailable', 'the stream broke before its hello', { cause: error })
    })
    .finally(() => done.abort())
  if (signal.aborted) return undefined
  const hello = first?.done ? undefined : first?.value.hello
  if (!hello) throw new OverlayError('invalid', 'the first message of an agent is its hello')
  parseName(hello.node)
  return hello
}

/** A controller may stand for any node: it has the store in its hand anyway. */
function refuseForeign({ node }: Hello, { role, name }: Identity): void {
  if (role === 'controller' || (role === 'node' && name === node)) return
  throw new OverlayError(
    'permission_denied',
    `an agent's stream for node ${node} needs that node's own certificate; this is ${role} ${name}: give the agent the certificate of its node, or --node ${name}`,
  )
}

async function takeMessages(
  incoming: AsyncIterator<AgentMessage>,
  link: Link,
  onRepairs: (repairs: Repairs) => void,
): Promise<void> {
  try {
    for (;;) {
      const { done, value } = await incoming.next()
      if (done) return link.end()
      if (value.answer) link.answer(value.answer)
      else if (value.repairs) onRepairs(value.repairs)
      else if (value.hello) return link.end(new OverlayError('invalid', 'an agent says its hello once'))
      // What else there is, a newer agent sends.
    }
  } catch {
    // The stream broke: what is asked of it has no answer.
    link.end()
  }
}

function problemError(node: string, { code, message, retryAfter }: Problem): OverlayError {
  const text = message.startsWith(`node ${node} `) ? message : `node ${node}: ${message}`
  const options = { retryAfter: retryAfter || undefined }
  return isErrorCode(code) ? new OverlayError(code, text, options) : new OverlayError('internal', `${text} (${code})`)
}
