/** The daemons of a run: which of them should be running, and whether one has ended by itself. */
import type { Daemon } from '../lab/daemon.ts'
import type { Lab } from '../lab/lab.ts'

export interface Daemons {
  /** By name: `h1` for its agent, `controller-1`, `etcd1`. */
  readonly all: ReadonlyMap<string, ChaosDaemon>
  /** Starts everything for the first time, and waits until it is ready. */
  start(): Promise<void>
  /** Those that ended though nobody killed them. */
  endedByThemselves(): readonly string[]
}

export interface ChaosDaemon {
  readonly name: string
  readonly kind: DaemonKind
  readonly daemon: Daemon
  /** SIGKILL. */
  kill(): Promise<void>
  /** Starts it again, and does not wait until it is ready. */
  start(): Promise<void>
}

export type DaemonKind = 'agent' | 'controller' | 'etcd'

const flagsOf: Record<DaemonKind, readonly string[]> = {
  // A vanished sandbox is to be released within the time that the checks have.
  agent: ['--session-ttl', '5', '--sandbox-grace', '1'],
  controller: [],
  etcd: [],
}

export function createDaemons(lab: Lab): Daemons {
  const meantToRun = new Set<string>()
  const ended: string[] = []
  const create = (name: string, kind: DaemonKind, daemon: Daemon): readonly [string, ChaosDaemon] => {
    const note = () => {
      if (meantToRun.has(name) && !daemon.running) ended.push(`${daemon.name} ended:\n${daemon.logTail(5)}`)
      if (!daemon.running) meantToRun.delete(name)
    }
    const chaotic = {
      name,
      kind,
      daemon,
      async kill() {
        note()
        meantToRun.delete(name)
        if (daemon.running) await daemon.kill()
      },
      async start() {
        note()
        if (!daemon.running)
          await daemon.start({ flags: flagsOf[kind], env: { NODE_OPTIONS: '--trace-warnings' }, deadline: 0 })
        meantToRun.add(name)
      },
    }
    return [name, chaotic]
  }
  const all = new Map([
    ...lab.etcdMembers.map((each) => create(each.name, 'etcd', each)),
    ...lab.controllers.map((each) => create(each.name, 'controller', each)),
    ...lab.hosts.map(({ name, agent }) => create(name, 'agent', agent)),
  ])
  const ofKind = (kind: DaemonKind) => [...all.values()].filter((each) => each.kind === kind)
  return {
    all,
    async start() {
      for (const kind of ['etcd', 'controller', 'agent'] as const) {
        await Promise.all(ofKind(kind).map((each) => each.start()))
        await Promise.all(ofKind(kind).map(({ daemon }) => daemon.ready()))
      }
    },
    endedByThemselves() {
      for (const { name, daemon } of all.values())
        if (meantToRun.has(name) && !daemon.running) {
          ended.push(`${daemon.name} ended:\n${daemon.logTail(5)}`)
          meantToRun.delete(name)
        }
      return ended
    },
  }
}
