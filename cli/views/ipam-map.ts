/** A subnet as a map: a character per address or, where they are many, per block of addresses. Pure. */
import { type Cidr, formatIp, hostRange, ipValue, parseCidr, parseIp } from '../../lib/ip.ts'
import type { AddressRun, AddressRunState, ShowIpamResponse, SubnetMap, SubnetUsage } from '../../proto/index.ts'
import { alignedText } from '../table.ts'
import { countOfDigits, percentText } from './ipam.ts'

const perLine = 64
const mostLines = 32
/** Characters stand in groups, so that people can count them. */
const group = 16
/** So many runs of a vast subnet are listed, unless wide. */
const listed = 20
/** As many as an answer has. */
const mostRuns = 65_536

const characterOf = {
  STATE_UNSPECIFIED: '?',
  USED: '#',
  GATEWAY: 'G',
  AUXILIARY: 'A',
  RESERVED: 'R',
  QUARANTINED: 'q',
} as const satisfies { readonly [state in AddressRunState]: string }

const free = '.'
const outsideRange = '_'
const noHost = '-'
const full = '#'

const addressLegend = [
  ['#', 'used'],
  ['G', 'gateway'],
  ['A', 'auxiliary'],
  ['R', 'reserved'],
  ['q', 'in quarantine'],
  ['?', 'unknown'],
  [free, 'free'],
  [outsideRange, 'free, only when asked for'],
  [noHost, 'for no host'],
] as const

/** Both ends as numbers. */
interface Span {
  readonly first: bigint
  readonly last: bigint
}

interface Run extends Span {
  readonly state: AddressRunState
}

interface Line {
  /** The number of its first address. */
  readonly first: bigint
  readonly characters: string
}

/** A paragraph per subnet: its figures, the map, and what the characters mean. */
export function ipamMapText({ subnets }: Pick<ShowIpamResponse, 'subnets'>, { wide }: { wide: boolean }): string {
  return subnets.flatMap((subnet) => (subnet.usage ? [subnetText(subnet, subnet.usage, wide)] : [])).join('\n')
}

function subnetText({ ipRange, runs }: SubnetMap, usage: SubnetUsage, wide: boolean): string {
  const cidr = parseCidr(usage.cidr)
  const spans = runs.map(({ first, last, state }) => ({ first: valueOf(first), last: valueOf(last), state }))
  const blockSize = sizeOfBlock(cidr)
  const characters =
    blockSize === 1n
      ? addressCharacters(cidr, ipRange ? parseCidr(ipRange) : cidr, spans)
      : blockCharacters(cidr, blockSize, spans)
  const lines = linesOf(characters, cidr.first, blockSize)
  // Of the vast subnets of IPv6, only what says something.
  const vast = cidr.family === 6 && blockSize > 1n
  const shown = vast ? lines.filter((line) => /[^.]/.test(line.characters)) : lines
  return [
    headingText(usage, ipRange),
    alignedText(shown.map((line) => [formatIp(cidr.family, line.first), inGroups(line.characters)])),
    shown.length < lines.length
      ? `${lines.length - shown.length} of ${lines.length} lines are left out: all free\n`
      : '',
    blockSize === 1n ? addressLegendText(characters) : blockLegendText(blockSize),
    vast ? runsText(runs, wide) : '',
    runs.length >= mostRuns ? `shown are ${mostRuns} runs of addresses; what follows them is not known here\n` : '',
  ].join('')
}

function valueOf(text: string): bigint {
  return ipValue(parseIp(text))
}

/** Sizes are powers of two: no block is smaller than the others. */
function sizeOfBlock({ first, last }: Cidr): bigint {
  const places = BigInt(perLine * mostLines)
  const size = last - first + 1n
  return size > places ? size / places : 1n
}

function addressCharacters(cidr: Cidr, range: Cidr, runs: readonly Run[]): readonly string[] {
  const hosts = hostRange(cidr)
  const characters: string[] = []
  for (let value = cidr.first; value <= cidr.last; value++) {
    if (value < hosts.first || value > hosts.last) characters.push(noHost)
    else characters.push(value < range.first || value > range.last ? outsideRange : free)
  }
  for (const run of runs) {
    const { first, last } = common(run, cidr)
    for (let value = first; value <= last; value++) characters[Number(value - cidr.first)] = characterOf[run.state]
  }
  return characters
}

/** A digit is the tenths of a block's addresses that are not free, 1 also for less. */
function blockCharacters(cidr: Cidr, blockSize: bigint, runs: readonly Run[]): readonly string[] {
  const hosts = hostRange(cidr)
  const taken = Array.from({ length: perLine * mostLines }, () => 0n)
  const block = (at: number): Span => {
    const first = cidr.first + BigInt(at) * blockSize
    return { first, last: first + blockSize - 1n }
  }
  for (const run of runs) {
    const within = common(run, hosts)
    const [from, to] = [Number((within.first - cidr.first) / blockSize), Number((within.last - cidr.first) / blockSize)]
    for (let at = from; at <= to; at++) taken[at] = (taken[at] ?? 0n) + sizeOf(common(within, block(at)))
  }
  return taken.map((count, at) => {
    if (count === 0n) return free
    const size = sizeOf(common(block(at), hosts))
    return count >= size ? full : String((10n * count) / size || 1n)
  })
}

function common(a: Span, b: Span): Span {
  return { first: a.first > b.first ? a.first : b.first, last: a.last < b.last ? a.last : b.last }
}

function sizeOf({ first, last }: Span): bigint {
  return last < first ? 0n : last - first + 1n
}

function linesOf(characters: readonly string[], first: bigint, blockSize: bigint): Line[] {
  const count = Math.ceil(characters.length / perLine)
  return Array.from({ length: count }, (_, at) => ({
    first: first + BigInt(at * perLine) * blockSize,
    characters: characters.slice(at * perLine, (at + 1) * perLine).join(''),
  }))
}

function inGroups(characters: string): string {
  const groups: string[] = []
  for (let at = 0; at < characters.length; at += group) groups.push(characters.slice(at, at + group))
  return groups.join(' ')
}

function headingText(usage: SubnetUsage, ipRange: string): string {
  const figures = [
    `${usage.used} used`,
    `${usage.reserved} reserved`,
    `${usage.quarantined} in quarantine`,
    `${countOfDigits(usage.free)} free`,
  ]
  const range = ipRange ? `range ${ipRange}: ${countOfDigits(usage.freeInRange)} free, ` : ''
  return `${usage.cidr}: ${figures.join(', ')}; ${range}${percentText(usage.percentUsed)} full\n`
}

/** Only what is on the map. */
function addressLegendText(characters: readonly string[]): string {
  const there = new Set(characters)
  const meanings = addressLegend.filter(([character]) => there.has(character))
  return `${meanings.map(([character, meaning]) => `${character} ${meaning}`).join('   ')}\n`
}

function blockLegendText(blockSize: bigint): string {
  const size = countOfDigits(blockSize.toString())
  return `a character: ${size} addresses   ${free} all free   1-9 tenths not free   ${full} none free\n`
}

function runsText(runs: readonly AddressRun[], wide: boolean): string {
  const shown = wide ? runs : runs.slice(0, listed)
  const rows = shown.map(({ first, last, state }) => [
    first === last ? first : `${first} - ${last}`,
    state.toLowerCase(),
  ])
  const more = runs.length - shown.length
  return alignedText(rows) + (more > 0 ? `and ${more} more: see them with -o wide\n` : '')
}
