/** Mends what `check` found, each finding in a transaction that holds only while it is still true. */
import { setMaxListeners } from 'node:events'
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { Faults } from '../../lib/faults.ts'
import { parseName } from '../../lib/names.ts'
import { mapParallel } from '../../lib/parallel.ts'
import { quote } from '../../lib/quote.ts'
import { delayBefore, pause } from '../../lib/retry.ts'
import type { Finding, RepairIpamRequest, RepairIpamResponse, RepairOutcome } from '../../proto/index.ts'
import { createQuarantine, type Quarantine } from '../../store/quarantine.ts'
import type { Store } from '../../store/store.ts'
import { evict } from '../nodes/evict.ts'
import { commitChange } from './change.ts'
import type { IpamParts } from './check.ts'
import { diagnose, type Sight } from './diagnose.ts'
import { UnreadableError } from './evidence.ts'
import { sightBy } from './look.ts'
import type { Diagnosis } from './verdict.ts'

/** A finding is looked at anew when something of it changed before it was mended. */
const attempts = 8
const backoff = { first: 5, most: 200 }
/** Findings that are mended at a time. */
const atOnce = 16

/**
 * Of a finding only what it is about is believed; whether it is so, and what is
 * to be done, is told from fresh reads.
 * @throws OverlayError `invalid`, with every fault of the findings.
 */
export async function repairIpam(
  parts: IpamParts,
  { findings }: RepairIpamRequest,
  signal: AbortSignal,
): Promise<RepairIpamResponse> {
  checkFindings(findings)
  // Every question to a host, and every wait, listens: many are no leak.
  setMaxListeners(0, signal)
  const quarantine = createQuarantine(parts.store, () => performance.now())
  // The links of a host are looked at once, and so is where endpoints were: of many findings that may be the same.
  const { linksOf, lastNodesOf } = sightBy(parts, signal)
  const look = () => ({ ...sightBy(parts, signal), linksOf, lastNodesOf })
  const outcomes = await mapParallel(findings, atOnce, (finding) => repair(look, quarantine, finding, signal))
  return { outcomes }
}

/** They become parts of keys. */
function checkFindings(findings: readonly Finding[]): void {
  const faults = new Faults()
  for (const [at, { kind, network, subject, endpointId, node }] of findings.entries()) {
    const field = `findings[${at}]`
    // One that has no name here comes as its number.
    if (kind === 'KIND_UNSPECIFIED' || typeof kind === 'number')
      faults.add(`${field}.kind: it is none that this version knows`)
    if (network) faults.try(`${field}.network`, () => parseName(network))
    if (node) faults.try(`${field}.node`, () => parseName(node))
    // Of an odd key the subject is all of it: looked at as it is, never put together.
    const isKey = kind === 'LEFTOVER' && subject.includes('/')
    for (const [name, text] of Object.entries(isKey ? { endpointId } : { subject, endpointId }))
      if (text.length > 128 || text.includes('/')) faults.add(`${field}.${name}: ${quote(text)} is none`)
  }
  faults.throwIfAny()
}

async function repair(
  look: () => Sight,
  quarantine: Quarantine,
  finding: Finding,
  signal: AbortSignal,
): Promise<RepairOutcome> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (signal.aborted) return left('there was no time for it: check again, and allow more with --timeout')
    const sight = look()
    const seen = await tryToDiagnose(sight, finding)
    if (seen instanceof OverlayError) return left(seen.message)
    if (!seen) return { state: 'GONE', problem: '' }
    const outcome = await mend(sight.store, quarantine, seen).catch(unreadable)
    if (outcome) return outcome
    await pause(delayBefore(attempt, backoff), signal)
  }
  return left('it is being changed by others all the time: check again')
}

/** What the host says is a reason to leave it, what the store says is none. */
async function tryToDiagnose(sight: Sight, finding: Finding) {
  if (finding.kind !== 'UNOWNED_ON_LINK') return diagnose(sight, finding)
  return diagnose(sight, finding).catch((error: unknown) => {
    const refused = OverlayError.from(error)
    return refused.saying(`the links of node ${finding.node} could not be looked at: ${refused.message}`)
  })
}

/** What cannot be read is for a person to look at; other errors are the store's. */
function unreadable(error: unknown): RepairOutcome {
  if (error instanceof UnreadableError) return left(error.message)
  throw error
}

/** Undefined: something changed meanwhile. */
async function mend(
  store: Store,
  quarantine: Quarantine,
  { finding, remedy, evidence }: Diagnosis,
): Promise<RepairOutcome | undefined> {
  switch (remedy.by) {
    case 'person':
      return left(remedy.says || finding.problem)
    case 'eviction':
      return evictAnew(store, remedy.node)
    case 'transaction': {
      const change = await remedy.prepare()
      // What was read to prepare it counts as well.
      const outcome = await commitChange(store, quarantine, change, { compares: evidence.compares() })
      return outcome?.committed ? { state: 'REPAIRED', problem: '' } : undefined
    }
  }
}

async function evictAnew(store: Store, node: string): Promise<RepairOutcome> {
  try {
    await evict(store, node)
    return { state: 'REPAIRED', problem: '' }
  } catch (error) {
    if (hasCode(error, 'conflict')) return left(error.message)
    throw error
  }
}

function left(problem: string): RepairOutcome {
  return { state: 'LEFT', problem }
}
