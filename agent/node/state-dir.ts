/** The agent's own files: who this node is, which cluster it belongs to, what is unsettled. */
import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { OverlayError } from '../../lib/errors.ts'
import { Endpoint, type Init, type JsonObject } from '../../proto/index.ts'
import { type Intent, openIntentFile } from './intent-file.ts'

const memorySchema = z.object({
  /** The cluster that this node belongs to. */
  clusterUid: z.string(),
  /** The highest revision of its store that was seen. */
  revision: z.number(),
  /** Create revision of the node's record; 0 before it was registered. */
  generation: z.number(),
  /** The node's name then. */
  node: z.string().optional(),
  /** What spoke against the store's history when the agent was stopped. */
  doubt: z.string().optional(),
  /**
   * The revision at which the store was found to have gone back, until all nodes
   * have written back what it lost.
   */
  wentBackTo: z.number().optional(),
})
const recordsSchema = z.array(z.record(z.string(), z.json()))
export type Memory = z.infer<typeof memorySchema>

export interface StateDir {
  readonly path: string
  /** Made once; tells this node from another of the same name. */
  readonly nodeUid: string
  readMemory(): Memory | undefined
  writeMemory(memory: Memory): void
  /** What lived on this host when the agent last wrote it down. */
  readEndpoints(): readonly Endpoint[]
  writeEndpoints(endpoints: readonly Init<Endpoint>[]): void
  /** URLs of etcd's members when they were last seen; none where they are not remembered. */
  readMembers(): readonly string[]
  writeMembers(urls: readonly string[]): void
  readIntents(): readonly Intent[]
  writeIntent(intent: Intent): void
  removeIntent(endpointId: string): void
}

/**
 * Opens the state directory, made if it is not there. But for the uid nothing is
 * flushed to the disk: after a power cut the boot id is another, and that settles what was open.
 * @throws OverlayError `failed_precondition` when it cannot be written or read.
 */
export function openStateDir(path: string): StateDir {
  const intents = join(path, 'intents')
  const memory = join(path, 'cluster.json')
  const endpoints = join(path, 'endpoints.json')
  const members = join(path, 'etcd-members')
  const uidFile = join(path, 'node-uid')
  explained(path, () => mkdirSync(path, { recursive: true, mode: 0o700 }))
  const file = explained(intents, () => openIntentFile(intents))
  return {
    path,
    nodeUid: explained(uidFile, () => {
      const known = readIfThere(uidFile)?.trim()
      if (known) return known
      const made = randomUUID()
      // A node whose uid is lost is taken for another host of the same name.
      replace(uidFile, `${made}\n`, true)
      return made
    }),
    readMemory: () => explained(memory, () => parse(memorySchema, readIfThere(memory))),
    writeMemory: (content) => explained(memory, () => replace(memory, JSON.stringify(content))),
    readEndpoints: () =>
      explained(endpoints, () => parse(recordsSchema, readIfThere(endpoints)) ?? []).flatMap(endpointOf),
    writeEndpoints: (records) =>
      explained(endpoints, () => replace(endpoints, JSON.stringify(records.map((record) => Endpoint.toJson(record))))),
    readMembers: () => explained(members, () => readIfThere(members)?.split('\n').filter(Boolean) ?? []),
    writeMembers: (urls) => explained(members, () => replace(members, urls.map((url) => `${url}\n`).join(''), true)),
    readIntents: () => explained(intents, () => file.read()),
    writeIntent: (intent) => explained(intents, () => file.write(intent)),
    removeIntent: (endpointId) => explained(intents, () => file.remove(endpointId)),
  }
}

/**
 * Undefined for what a power cut left half written: it took the kernel's state
 * with it, so that there is nothing to protect or to settle any more.
 */
function parse<T>(schema: z.ZodType<T>, text: string | undefined): T | undefined {
  try {
    return schema.parse(JSON.parse(text ?? ''))
  } catch {
    return undefined
  }
}

/** Nothing for what another version may have written. */
function endpointOf(record: JsonObject): readonly Endpoint[] {
  try {
    return [Endpoint.fromJson(record)]
  } catch {
    return []
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function replace(file: string, content: string, flush = false): void {
  writeFileSync(`${file}.new`, content, { flush })
  renameSync(`${file}.new`, file)
}

function explained<T>(path: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new OverlayError('failed_precondition', `state directory: ${path}: ${why}`, { cause: error })
  }
}
