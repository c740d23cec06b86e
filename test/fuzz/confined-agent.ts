/**
 * Agents that can plug into nothing but the sandboxes that they are given. They
 * take requests made at random, which may name any path and any process: so they
 * see no process but their own (a PID namespace with a /proc of its own), and no
 * network namespace below /run but those (a mount namespace with a /run of its own).
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Host } from '../lab/host.ts'
import type { Netns } from '../lab/netns.ts'

/** What is moved over /run; the first argument is where it is made, then come the sandboxes up to `--`. */
const script = `set -eu
stage=$1; shift
mount -n -t tmpfs -o mode=755 none "$stage"
mkdir "$stage/netns"
while [ "$1" != -- ]; do
  touch "$stage/netns/\${1##*/}"
  mount -n --bind "$1" "$stage/netns/\${1##*/}"
  shift
done
shift
mount -n --move "$stage" /run
exec "$@"`

const isolated = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']

/** Starts the host's agent so, and waits until it is ready. The sandboxes must be there. */
export async function startConfined({ agent, home }: Host, sandboxes: readonly Netns[]): Promise<void> {
  const stage = join(home, 'run-of-agent')
  mkdirSync(stage, { recursive: true })
  const paths = sandboxes.map(({ path }) => path)
  await agent.start({ command: (own) => [...isolated, 'sh', '-c', script, 'sh', stage, ...paths, '--', ...own] })
}

/** The agent itself: what the lab has as its process has forked it. */
export function pidInside(host: Host): number {
  const { pid } = host.agent
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  if (!child) throw new Error(`${host.agent.name}: process ${pid} has no child`)
  return Number(child)
}
