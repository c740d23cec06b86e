/** From where a host's address can be reached. Hosts are names and addresses, IPv6 with or without brackets. */

/** All addresses of the host: fit to listen on, not to be dialled. */
export function isWildcard(host: string): boolean {
  return ['0.0.0.0', '::', '[::]'].includes(host)
}

/** Reached from this host only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

/**
 * Whether `url` can be where a fellow of those at `known` is dialled: by the same
 * scheme, at one address, and on the loopback only where all the others are, too.
 */
export function isFellow(url: URL, known: readonly URL[]): boolean {
  const isLocal = known.every(({ hostname }) => isLoopback(hostname))
  return (
    known.every(({ protocol }) => protocol === url.protocol) &&
    !isWildcard(url.hostname) &&
    (isLocal || !isLoopback(url.hostname))
  )
}
