/** Which processes live in a network namespace, told from /proc. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Pids of the processes that a process started and that still run. */
export function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

/** The network namespace of a process, as `net:[…]`; undefined when there is no such process. */
export function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    return undefined
  }
}

/** Whether any process lives in the network namespace. */
export function isInhabited(namespace: string): boolean {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.some((pid) => namespaceOf(Number(pid)) === namespace)
}
