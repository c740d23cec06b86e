/** Reads what `tcpdump -nn -e -tt` prints. */

/** An Ethernet frame. */
export interface Frame {
  /** Lower-case hex with colons. */
  readonly source: string
  readonly destination: string
  /** 0 for a frame with a length in its place (IEEE 802.3 with LLC, as of spanning tree). */
  readonly etherType: number
  /** The rest of tcpdump's line: what is in the frame. */
  readonly text: string
}

/** A frame in VXLAN (RFC 7348). */
export interface VxlanPacket {
  readonly vni: number
  /** Addresses of the VTEPs. */
  readonly from: string
  readonly to: string
  /** UDP destination port. */
  readonly port: number
  readonly inner: Frame
}

const mac = '(?:[0-9a-f]{2}:){5}[0-9a-f]{2}'
const kind = '(?:ethertype [^(]*\\((0x[0-9a-f]{4})\\)|802\\.3)'
const frame = new RegExp(`(${mac}) > (${mac}), ${kind}, length \\d+: (.*)$`)
const outer = /([0-9a-f.:]+)\.\d+ > ([0-9a-f.:]+)\.(\d+): VXLAN, flags \[[^\]]*\] \(0x[0-9a-f]+\), vni (\d+)/

/**
 * The frames of the interface, without those that are inside VXLAN packets.
 * @throws Error on a line that it cannot read, so that nothing is overlooked.
 */
export function parseFrames(output: string): readonly Frame[] {
  return packets(output).map(([line = '']) => parseFrame(line))
}

/**
 * Those packets that are VXLAN; tcpdump prints the frame inside on the next line.
 * @throws Error as `parseFrames`.
 */
export function parseVxlanPackets(output: string): readonly VxlanPacket[] {
  return packets(output).flatMap(([line = '', next = '']) => {
    const [, from = '', to = '', port = '', vni = ''] = outer.exec(line) ?? []
    return vni ? { vni: Number(vni), from, to, port: Number(port), inner: parseFrame(next) } : []
  })
}

/** Each packet's lines: the first begins with the time. */
function packets(output: string): readonly (readonly string[])[] {
  const groups: string[][] = []
  for (const line of output.split('\n').filter(Boolean))
    if (/^\d+\.\d+ /.test(line)) groups.push([line])
    else groups.at(-1)?.push(line)
  return groups
}

function parseFrame(line: string): Frame {
  const [, source, destination, etherType = 0, text = ''] = frame.exec(line) ?? []
  if (!source || !destination) throw new Error(`tcpdump printed what is not a frame: ${line}`)
  return { source, destination, etherType: Number(etherType), text }
}
