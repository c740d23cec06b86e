/** Runs actions of one key one after the other, those of different keys side by side. */
import { OverlayError } from '../lib/errors.ts'
import { overloaded } from '../lib/overload.ts'

export interface KeyedQueue {
  /** For work of our own, which has to be done: it waits for its turn, however many do. */
  run<T>(key: string, action: () => Promise<T>): Promise<T>
  /**
   * For callers, who can come again. One who is gone before his turn has none:
   * nothing was begun then.
   * @throws OverlayError `unavailable`, with `retryAfter`, when too many wait;
   * `deadline` when `signal` aborts before the turn.
   */
  offer<T>(key: string, signal: AbortSignal, action: () => Promise<T>): Promise<T>
}

export interface QueueBounds {
  /** Callers that may wait for one key. */
  readonly mostOfKey: number
  /** Callers that may wait for all keys together. */
  readonly most: number
}

/** One key's, as long as an action of it runs. */
interface Line {
  readonly waiting: (() => void)[]
  callers: number
}

export function createKeyedQueue({ mostOfKey, most }: QueueBounds): KeyedQueue {
  const lines = new Map<string, Line>()
  let callers = 0

  const start = async <T>(key: string, line: Line, action: () => Promise<T>): Promise<T> => {
    try {
      return await action()
    } finally {
      const next = line.waiting.shift()
      if (next) next()
      else lines.delete(key)
    }
  }

  const startFirst = <T>(key: string, action: () => Promise<T>): Promise<T> => {
    const line = { waiting: [], callers: 0 }
    lines.set(key, line)
    return start(key, line, action)
  }

  /** @returns how to leave. */
  const admit = (key: string, line: Line) => {
    if (line.callers >= mostOfKey) throw overloaded(`${mostOfKey} calls wait for their turn in ${key} on this host`)
    if (callers >= most) throw overloaded(`${most} calls wait for their turn on this host`)
    line.callers++
    callers++
    return () => {
      line.callers--
      callers--
    }
  }

  return {
    run(key, action) {
      const line = lines.get(key)
      if (!line) return startFirst(key, action)
      return new Promise((resolve) => line.waiting.push(() => resolve(start(key, line, action))))
    },
    async offer(key, signal, action) {
      if (signal.aborted) throw gone()
      const line = lines.get(key)
      if (!line) return startFirst(key, action)
      const leave = admit(key, line)
      return new Promise((resolve, reject) => {
        const begin = () => {
          signal.removeEventListener('abort', giveUp)
          leave()
          resolve(start(key, line, action))
        }
        const giveUp = () => {
          line.waiting.splice(line.waiting.indexOf(begin), 1)
          leave()
          reject(gone())
        }
        line.waiting.push(begin)
        signal.addEventListener('abort', giveUp, { once: true })
      })
    },
  }
}

function gone(): OverlayError {
  return new OverlayError('deadline', 'the caller gave up before its turn came: nothing was begun')
}
