/** A controller in the lab. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createDaemon, type Daemon } from './daemon.ts'
import type { Netns } from './netns.ts'
import { overlayctl } from './overlayctl.ts'
import { program } from './program-path.ts'

export interface ControllerSpec {
  readonly netns: Netns
  /** The lab's directory; the log is below `ctl` in it. */
  readonly directory: string
  readonly name: string
  /** HOST:PORT, as the agents dial it. */
  readonly address: string
  readonly etcd: string
}

export interface Controller extends Daemon {
  /** HOST:PORT. */
  readonly address: string
}

export function createController({ netns, directory, name, address, etcd }: ControllerSpec): Controller {
  const home = join(directory, 'ctl')
  mkdirSync(home, { recursive: true })
  const daemon = createDaemon({
    name,
    netns,
    directory,
    log: join(home, `${name}.log`),
    port: Number(address.split(':').at(-1)),
    command: () => [
      process.execPath,
      program('overlay-controller.cjs'),
      ...flags({ etcd, listen: address, advertise: address }),
    ],
    ready: async () => {
      const { exitCode, stderr } = await overlayctl(netns, { OVERLAY_CONTROLLER: address }, ['status'])
      if (exitCode !== 0) throw new Error(stderr)
      return true
    },
  })
  return Object.assign(daemon, { address })
}

/** `--name value` for each. */
export function flags(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(values).flatMap(([name, value]) => [`--${name}`, value])
}
