/** What a run of the fuzzing consists of. */
import type { LabFacts } from './cluster.ts'

export const phases = ['requests', 'sockets', 'records', 'questions'] as const
export type Phase = (typeof phases)[number]

export interface WorkerInput {
  readonly seed: number
  /** For each RPC. */
  readonly requests: number
  /** Only RPCs whose names have this in them. */
  readonly only: string
  readonly phases: readonly Phase[]
  readonly facts: LabFacts
}
