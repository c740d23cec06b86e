/** What a host has of the overlay, so that it can be told whether it is as it was before. */
import type { Host } from '../../lab/host.ts'
import type { Netns } from '../../lab/netns.ts'
import { until } from '../../lab/until.ts'
import { kernelState } from '../kernel-state.ts'
import type { Workload } from '../workload.ts'

/** What a host and its sandboxes have, whatever numbers the kernel gave to the links. */
export async function shapeOf(host: Host, ...workloads: readonly Workload[]): Promise<string> {
  const outside = [await kernelState(host), await host.exec('bridge -d -o link | grep " ov" | sort')]
  const inside = workloads.map(({ sandbox }) => insideOf(sandbox))
  return [...outside, ...(await Promise.all(inside))].map(withoutNumbers).join('\n')
}

function insideOf(sandbox: Netns): Promise<string> {
  // A link-local address is not ours.
  return sandbox.exec(
    'ip -o link show eth0; ip -o address show eth0 scope global; ip route; ip -6 route | grep -v "^fe80"',
  )
}

/** A link that was made anew has another number, and so has its peer; ND has timers. */
function withoutNumbers(text: string): string {
  return text
    .replaceAll(/^\d+: /gm, '')
    .replaceAll(/@if\d+|@\w+(?=:)|link-netnsid \d+|link-netns \S+|qdisc \w+|hop_limit \d+|expires \d+sec/g, '')
    .split('\n')
    .toSorted()
    .join('\n')
}

/** @throws Error with what differs. */
export async function untilShape(before: string, host: Host, ...workloads: readonly Workload[]): Promise<void> {
  let now = ''
  await until(async () => (now = await shapeOf(host, ...workloads)) === before, {
    what: `${host.name} to be as before`,
    every: 100,
    detail() {
      const [was, is] = [before.split('\n'), now.split('\n')]
      const gone = was.filter((line) => !is.includes(line)).map((line) => `-${line}`)
      return [...gone, ...is.filter((line) => !was.includes(line)).map((line) => `+${line}`)].join('\n')
    },
  })
}
