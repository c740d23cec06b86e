/** What goes over an interface, by tcpdump. */
import { join } from 'node:path'
import { type Frame, parseFrames, parseVxlanPackets, type VxlanPacket } from './captured.ts'
import type { Netns } from './netns.ts'
import type { LabProcess } from './process.ts'
import { until } from './until.ts'

export interface CaptureOptions {
  /** Default: eth0, the underlay of a host, the network of a sandbox. */
  readonly interface?: string
  /** In tcpdump's language (pcap-filter(7)); default: everything. */
  readonly filter?: string
}

export interface Capture {
  /** The file, in pcap format. */
  readonly file: string
  /**
   * Waits until tcpdump has taken all that has passed so far, and ends it.
   * @throws Error when it could not keep up and dropped packets.
   */
  stop(): Promise<Captured>
}

export interface Captured {
  readonly file: string
  /** tcpdump's own words, with link-level headers; encapsulated frames on lines of their own. */
  text(): Promise<string>
  /** The frames as they were on this interface. */
  frames(): Promise<readonly Frame[]>
  /** Only what is VXLAN, with the frame inside. */
  vxlan(): Promise<readonly VxlanPacket[]>
}

/** Starts to capture; resolves once tcpdump listens. The file is the lab's and goes with it. */
export async function startCapture(where: Netns, directory: string, options: CaptureOptions = {}): Promise<Capture> {
  const { interface: device = 'eth0', filter = '' } = options
  const name = `tcpdump-${captures++}`
  const file = join(directory, `${where.netns}-${name}.pcap`)
  // -Z root: it may write to the lab's directory. -U and --immediate-mode: nothing waits in buffers.
  const flags = ['-n', '-U', '--immediate-mode', '-B', '8192', '-Z', 'root', '-i', device, '-w', file]
  const tcpdump = await where.spawn(name, ['tcpdump', ...flags, filter].filter(Boolean))
  await until(() => tcpdump.logTail(Infinity).includes('listening on'), {
    what: `${where.name}: tcpdump to listen on ${device}`,
    hopeless: () => tcpdump.exit && 'it ended',
    detail: () => tcpdump.logTail(),
  })
  return {
    file,
    async stop() {
      await drained(tcpdump, where)
      await tcpdump.stop({ signal: 'SIGINT' })
      return captured(where, file)
    },
  }
}

let captures = 0

/** SIGUSR1 makes tcpdump say how many packets it has written, and how many have passed the filter. */
async function drained(tcpdump: LabProcess, where: Netns): Promise<void> {
  await until(
    async () => {
      const before = counts(tcpdump).length
      process.kill(tcpdump.pid, 'SIGUSR1')
      await until(() => counts(tcpdump).length > before, { what: 'tcpdump to count', every: 5, deadline: 2_000 })
      const { written, passed, dropped } = counts(tcpdump).at(-1) ?? { written: 0, passed: 1, dropped: 0 }
      return written + dropped >= passed
    },
    { what: `${where.name}: tcpdump to write what it has captured`, detail: () => tcpdump.logTail() },
  )
  const dropped = counts(tcpdump).at(-1)?.dropped
  if (dropped) throw new Error(`${where.name}: tcpdump dropped ${dropped} packets: use a narrower filter`)
}

function counts(tcpdump: LabProcess) {
  const log = tcpdump.logTail(Infinity)
  const lines = log.matchAll(/(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped/g)
  return [...lines].map(([, written, passed, dropped]) => ({
    written: Number(written),
    passed: Number(passed),
    dropped: Number(dropped),
  }))
}

function captured(where: Netns, file: string): Captured {
  const text = () => where.exec(['tcpdump', '-nn', '-e', '-tt', '-r', file])
  return {
    file,
    text,
    frames: async () => parseFrames(await text()),
    vxlan: async () => parseVxlanPackets(await text()),
  }
}
