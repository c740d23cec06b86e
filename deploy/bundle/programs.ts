/** The three programs: what they are bundled from, and how each is run for its code cache. */

export interface Program {
  readonly name: 'overlayctl' | 'overlay-agent' | 'overlay-controller'
  /** Under dist/, as tsc wrote it. */
  readonly entry: string
  /**
   * Short names everywhere: less to read for what starts most often. Not for
   * daemons: the stack of an unexpected error in their logs is to be read.
   */
  readonly minify: boolean
  /** Arguments of a start that touches nothing outside of `scratch`, a directory. */
  readonly trial: (scratch: string) => readonly string[]
}

/** Nobody listens on TCP port 1 (tcpmux). */
const nobody = '127.0.0.1:1'

export const programs: readonly Program[] = [
  {
    name: 'overlay-agent',
    entry: 'agent/main.js',
    minify: false,
    // An agent writes nothing to the kernel before it is in sync with its store.
    trial: (scratch) =>
      `--etcd http://${nobody} --node trial --vtep-address 192.0.2.1 --log-level silent
       --state-dir ${scratch}/agent --socket ${scratch}/agent.sock`.split(/\s+/),
  },
  {
    name: 'overlay-controller',
    entry: 'controller/main.js',
    minify: false,
    trial: () => `--etcd http://${nobody} --listen ${nobody} --log-level silent`.split(' '),
  },
  {
    name: 'overlayctl',
    entry: 'cli/main.js',
    minify: true,
    trial: () => ['ls', '--controller', nobody],
  },
]

/** Milliseconds after which a daemon has tried to reach its store. */
export const trialTime = 600
