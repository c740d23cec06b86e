/**
 * Claims and releases whose outcome is not known, in one file of lines of fixed
 * length that are written over in place: an intent stands in the way of every
 * attach, and a file of its own would cost it two changes of a directory.
 */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { z } from 'zod'

const schema = z.object({
  kind: z.enum(['claim', 'release']),
  network: z.string(),
  endpointId: z.string(),
  bootId: z.string(),
  /** The sandbox's cookie: it is not attached again before this is settled. */
  cookie: z.string(),
  /** Of a release: why; detached if it is not said. */
  end: z.enum(['DETACHED', 'VANISHED']).optional(),
})
/** A claim or release whose outcome is not known until the intent is removed. */
export type Intent = z.infer<typeof schema>
/** How an endpoint of this host ends, for the journal. */
export type End = NonNullable<Intent['end']>

/** Bytes, line feed included: longer than any intent. A blank line is free. */
const lineLength = 512

export interface IntentFile {
  read(): readonly Intent[]
  /** One intent per endpoint: a second one takes the place of the first. */
  write(intent: Intent): void
  remove(endpointId: string): void
  close(): void
}

/** Opens the file, made if it is not there. Throws what `node:fs` throws. */
export function openIntentFile(path: string): IntentFile {
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  const found = readLines(file)
  const lineOf = new Map(found.flatMap((intent, line) => (intent ? [[intent.endpointId, line] as const] : [])))
  const free = found.flatMap((intent, line) => (intent ? [] : [line]))
  let lines = found.length
  const write = (line: number, text: string) => {
    const bytes = Buffer.from(`${text.padEnd(lineLength - 1)}\n`)
    if (bytes.length !== lineLength) throw new Error(`an intent has at most ${lineLength - 1} bytes`)
    writeSync(file, bytes, 0, lineLength, line * lineLength)
  }
  return {
    read: () => readLines(file).filter((intent) => intent !== undefined),
    write(intent) {
      const line = lineOf.get(intent.endpointId) ?? free.pop() ?? lines++
      lineOf.set(intent.endpointId, line)
      write(line, JSON.stringify(intent))
    },
    remove(endpointId) {
      const line = lineOf.get(endpointId)
      if (line === undefined) return
      write(line, '')
      lineOf.delete(endpointId)
      free.push(line)
    },
    close: () => closeSync(file),
  }
}

/**
 * By line; undefined for a free one, and for one that a power cut left half
 * written: it took the kernel's state with it, so that nothing is to be settled.
 */
function readLines(file: number): (Intent | undefined)[] {
  const bytes = Buffer.alloc(fstatSync(file).size)
  readSync(file, bytes, 0, bytes.length, 0)
  const count = Math.ceil(bytes.length / lineLength)
  return Array.from({ length: count }, (_, line) =>
    parse(bytes.toString('utf8', line * lineLength, (line + 1) * lineLength)),
  )
}

function parse(text: string): Intent | undefined {
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
