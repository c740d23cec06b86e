/**
 * What option values may be. Each parser throws commander's
 * InvalidArgumentError, which becomes exit code 2 with the option's name before
 * the message.
 */
import { isIP, isIPv6 } from 'node:net'
import { resolve } from 'node:path'
import { InvalidArgumentError } from 'commander'

/** Makes a list of an option that may be given many times. */
export function repeatable<T>(parse: (text: string) => T) {
  return (text: string, before: readonly T[] | undefined): readonly T[] => [...(before ?? []), parse(text)]
}

export const parseText = (text: string): string => {
  if (text === '') throw new InvalidArgumentError('must not be empty')
  return text
}

/** `text` as a whole number within the bounds. */
export function parseWhole(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= least && value <= most) return value
    throw new InvalidArgumentError(`"${text}" is not a whole number from ${least} to ${most}`)
  }
}

/** Bytes; 68 is the least that IPv4 works with (RFC 791). */
export const parseMtu = parseWhole(68, 65_535)

/** 4194304 is the kernel's PID_MAX_LIMIT on 64-bit machines. */
export const parsePid = parseWhole(1, 4_194_304)

/** Seconds, also broken ones, as milliseconds. */
export function parseSeconds(text: string): number {
  const seconds = Number(text)
  // Timers of Node hold 2^31 - 1 milliseconds.
  if (/^\d+(\.\d+)?$/.test(text) && seconds > 0 && seconds <= 2_000_000) return Math.ceil(seconds * 1000)
  throw new InvalidArgumentError(`"${text}" is not a number of seconds (for example 10 or 0.5)`)
}

export function parseChoice<T extends string>(choices: readonly T[]) {
  return (text: string): T => {
    const found = choices.find((choice) => choice === text)
    if (found === undefined) throw new InvalidArgumentError(`"${text}" is none of ${choices.join(', ')}`)
    return found
  }
}

/** HOST:PORT, with brackets around an IPv6 address. */
export function parseHostPort(text: string): string {
  const [, host, port] = /^(\[[^\]]+\]|[^:[\]\s/]+):(\d{1,5})$/.exec(text) ?? []
  const bracketed = host?.startsWith('[') ?? false
  if (!host || Number(port) < 1 || Number(port) > 65_535 || (bracketed && !isIPv6(host.slice(1, -1))))
    throw new InvalidArgumentError(`"${text}" is not HOST:PORT (for example 127.0.0.1:4780 or [::1]:4780)`)
  return text
}

export function parseAddress(text: string): string {
  if (isIP(text) === 0 || text.includes('%'))
    throw new InvalidArgumentError(`"${text}" is not an IP address (for example 10.0.9.7 or fd00::7)`)
  return text
}

/** Collects KEY=VALUE into a map; a key given again takes the later value. */
export function parsePair(text: string, before: { readonly [key: string]: string } | undefined) {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError(`"${text}" is not KEY=VALUE (for example team=web)`)
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** A bare name is one of `ip netns`, as there; another path becomes absolute. */
export function parseNetns(text: string): string {
  if (text === '' || text === '.' || text === '..')
    throw new InvalidArgumentError(`"${text}" is not a network namespace (for example c1 or /proc/4711/ns/net)`)
  return text.includes('/') ? resolve(text) : `/run/netns/${text}`
}
