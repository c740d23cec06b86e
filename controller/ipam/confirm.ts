/** Tells what stays wrong from work in progress. */
import { OverlayError } from '../../lib/errors.ts'
import { mapParallel } from '../../lib/parallel.ts'
import { pause } from '../../lib/retry.ts'
import type { Finding } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import { mostOperations } from '../../store/transaction.ts'
import { diagnose, type Sight } from './diagnose.ts'
import { sameEvidence } from './evidence.ts'
import type { Diagnosis, Suspicion } from './verdict.ts'

/** Looks after the first; what has changed at each of them is being worked on. */
const mostLooks = 4
/** Suspicions looked at at a time. */
const atOnce = 32

/**
 * The suspicions that were true at two looks, `wait` milliseconds apart, with
 * none of the keys changed that tell of them. Without suspicions it takes no time.
 * @throws OverlayError `deadline` when the signal aborts before.
 */
export async function confirm(
  suspicions: readonly Suspicion[],
  sight: () => Sight,
  wait: number,
  signal: AbortSignal,
): Promise<Finding[]> {
  const confirmed: Finding[] = []
  let open: readonly Diagnosis[] = await lookAt(sight(), suspicions, signal)
  for (let look = 0; look < mostLooks && open.length > 0; look++) {
    await pause(wait, signal)
    const { same, changed } = await lookAgain(sight(), open, signal)
    confirmed.push(...same.map(({ finding }) => finding))
    open = changed
  }
  return confirmed
}

async function lookAt(sight: Sight, subjects: readonly Suspicion[], signal: AbortSignal): Promise<Diagnosis[]> {
  const looks = await mapParallel(subjects, atOnce, async (subject) => {
    if (signal.aborted) throw noTime()
    return diagnose(sight, subject)
  })
  if (signal.aborted) throw noTime()
  return looks.filter((seen) => seen !== undefined)
}

interface SecondLook {
  readonly same: readonly Diagnosis[]
  readonly changed: readonly Diagnosis[]
}

async function lookAgain(sight: Sight, before: readonly Diagnosis[], signal: AbortSignal): Promise<SecondLook> {
  const same: Diagnosis[] = []
  const doubtful: Diagnosis[] = []
  await mapParallel(inSteps(before), atOnce, async (step) => {
    ;((await isUnchanged(sight.store, step)) ? same : doubtful).push(...step)
  })
  const now = await lookAt(
    sight,
    doubtful.map(({ finding }) => finding),
    signal,
  )
  const changed: Diagnosis[] = []
  for (const seen of now) {
    const earlier = doubtful.find(({ finding }) => isOfSame(finding, seen.finding))
    const isSame = earlier && sameEvidence(earlier.evidence.compares(), seen.evidence.compares())
    ;(isSame ? same : changed).push(seen)
  }
  return { same, changed }
}

/** Whether nothing that was read has changed: one transaction that only compares. What is on links has no key. */
async function isUnchanged(store: Store, step: readonly Diagnosis[]): Promise<boolean> {
  if (step.some(({ finding }) => finding.kind === 'UNOWNED_ON_LINK')) return false
  const compares = step.flatMap(({ evidence }) => evidence.compares())
  return (await store.commit({ compares, writes: [] })).committed
}

/** As many together as a transaction takes. */
function inSteps(diagnoses: readonly Diagnosis[]): Diagnosis[][] {
  const steps: Diagnosis[][] = []
  let room = 0
  for (const diagnosis of diagnoses) {
    const { length } = diagnosis.evidence.compares()
    if (length > room) {
      steps.push([])
      room = mostOperations
    }
    steps.at(-1)?.push(diagnosis)
    room -= length
  }
  return steps
}

function isOfSame(a: Suspicion, b: Suspicion): boolean {
  return (
    a.kind === b.kind &&
    a.network === b.network &&
    a.subject === b.subject &&
    a.endpointId === b.endpointId &&
    a.node === b.node
  )
}

function noTime(): OverlayError {
  return new OverlayError('deadline', 'there was no time to look twice at what seems wrong: allow more with --timeout')
}
