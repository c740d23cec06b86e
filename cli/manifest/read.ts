/** Manifests: files that describe networks. */
import { readFile } from 'node:fs/promises'
import { parseAllDocuments } from 'yaml'
import { UsageError } from '../../lib/errors.ts'
import { Faults } from '../../lib/faults.ts'
import type { Context } from '../context.ts'
import { checkNetwork, checkTogether, type Described } from './check.ts'
import { nameIn, parseNetwork, type WantedNetwork } from './schema.ts'

export interface Text {
  /** What it is called in messages. */
  readonly file: string
  readonly text: string
}

/** A value of a file, and where it stood. */
interface Found {
  readonly where: string
  readonly description: unknown
}

/**
 * The networks of all files, in their order; `-` is standard input. A file holds
 * YAML documents (JSON is YAML), each one network or a list of them, also as
 * `inspect` and `ls` print them.
 * @throws UsageError with every fault of every file.
 */
export async function readManifests(
  context: Pick<Context, 'input' | 'signals'>,
  files: readonly string[],
): Promise<WantedNetwork[]> {
  const faults = new Faults()
  const texts: Text[] = []
  for (const file of new Set(files)) {
    try {
      texts.push({ file, text: await textOf(context, file) })
    } catch (error) {
      if (context.signals.interrupted.aborted) throw error
      faults.add(`${file}: cannot be read: ${reasonOf(error)}`)
    }
  }
  const networks = networksOf(texts, faults)
  if (faults.all.length > 0) throw new UsageError(`--file: ${faults.all.join('\n')}`)
  return networks
}

/** The networks that texts describe; notes every fault of all of them, the file's name first. */
export function networksOf(texts: readonly Text[], faults: Faults): WantedNetwork[] {
  const described: Described[] = []
  for (const { file, text } of texts) {
    const before = faults.all.length
    const found = descriptionsIn(file, text, faults)
    if (found.length === 0 && faults.all.length === before) faults.add(`${file}: there is no network in it`)
    for (const { where, description } of found) {
      const { network, rest, faults: own } = parseNetwork(description)
      for (const fault of own) faults.add(`${where}: ${fault}`)
      const readable = network ?? rest
      if (readable) checkNetwork(faults, { where, network: readable })
      if (network) described.push({ where, network })
    }
  }
  checkTogether(faults, described)
  return described.map(({ network }) => network)
}

/** None when it is no YAML: the faults are noted. */
function descriptionsIn(file: string, text: string, faults: Faults): Found[] {
  // What it would print by itself is a fault here.
  const documents = parseAllDocuments(text, { logLevel: 'error' })
  const errors = documents.flatMap((document) => [...document.errors, ...document.warnings])
  for (const { message } of errors) faults.add(`${file}: ${firstLine(message)}`)
  if (errors.length > 0) return []
  return documents.flatMap((document, at) => {
    const place = documents.length > 1 ? `${file}, document ${at + 1}` : file
    try {
      return itemsOf(place, document.toJS())
    } catch (error) {
      // Aliases that would make more of it than fits.
      faults.add(`${place}: ${reasonOf(error)}`)
      return []
    }
  })
}

/** An empty document has none. */
function itemsOf(place: string, value: unknown): Found[] {
  if (value === null || value === undefined) return []
  if (!Array.isArray(value)) return [foundAt(place, value)]
  return value.map((item: unknown, at) => foundAt(`${place}, item ${at + 1}`, item))
}

function foundAt(place: string, description: unknown): Found {
  const name = nameIn(description)
  return { where: name ? `${place} (${name})` : place, description }
}

function textOf({ input, signals }: Pick<Context, 'input' | 'signals'>, file: string): Promise<string> {
  return file === '-' ? input(signals.interrupted) : readFile(file, { encoding: 'utf8', signal: signals.interrupted })
}

function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.startsWith('ENOENT') ? 'there is no such file' : message
}

/** The others draw the place in the text. */
function firstLine(message: string): string {
  return message.split('\n')[0]?.replace(/:$/, '') ?? ''
}
