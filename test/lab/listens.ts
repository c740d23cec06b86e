/** Whether somebody listens, without knocking: a refused dial makes clients wait before the next. */
import { readFileSync } from 'node:fs'

/** TCP_LISTEN in include/net/tcp_states.h. */
const listening = '0A'

/** Whether a TCP port is listened on in the namespace that the process lives in (proc(5), /proc/net/tcp). */
export function listens(pid: number, port: number): boolean {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  return ['tcp', 'tcp6'].some((table) => lines(`/proc/${pid}/net/${table}`).some((line) => matches(line, wanted)))
}

function matches(line: string, port: string): boolean {
  const [, local = '', , state] = line.trim().split(/\s+/)
  return state === listening && local.endsWith(`:${port}`)
}

function lines(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(1)
  } catch {
    return []
  }
}
