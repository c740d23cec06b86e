/** Which links are ours: told by the alias, which is set last. */
import { OverlayError } from '../../lib/errors.ts'
import type { Link } from './links.ts'

export interface Ownership {
  /** The link carries our cluster's mark: it is ours and was finished. */
  isOurs(link: Link): boolean
  /** We were interrupted while we made it. */
  isHalfMade(link: Link): boolean
  /** Whether we would call a link so. */
  isOurName(name: string): boolean
  /** @throws OverlayError `already_exists` unless it is of that kind, and ours or half-made. */
  claim(link: Link, kind: string): void
}

/**
 * The names that we give (see device-names.ts), by kind. An empty alias alone
 * proves nothing, and neither does `ov`: oVirt's bridge is called `ovirtmgmt`.
 */
const namesOf: Readonly<Record<string, RegExp>> = {
  bridge: /^ovbr\d+$/,
  vxlan: /^ovvx\d+$/,
  veth: /^ove[0-9a-f]{12}$/,
}

export function ownership(clusterUid: string): Ownership {
  return markedBy((alias) => alias.startsWith(`overlay/${clusterUid}/`))
}

/** The same of all clusters that this host was ever part of. */
export function ownershipOfAll(): Ownership {
  return markedBy((alias) => /^overlay\/[^/]+\/./.test(alias))
}

function markedBy(isMark: (alias: string) => boolean): Ownership {
  const isOurs = (link: Link) => isMark(link.alias) && link.kind in namesOf
  const isHalfMade = (link: Link) => link.alias === '' && (namesOf[link.kind]?.test(link.name) ?? false)
  return {
    isOurs,
    isHalfMade,
    isOurName: (name) => Object.values(namesOf).some((pattern) => pattern.test(name)),
    claim(link, kind) {
      if (link.kind === kind && (isOurs(link) || isHalfMade(link))) return
      throw foreign(link)
    },
  }
}

/** The name that we need is another's. */
export function foreign({ name, kind, alias }: Link): OverlayError {
  const whose = alias ? `alias "${alias}"` : 'no alias'
  return new OverlayError(
    'already_exists',
    `link ${name} exists and is not ours (${kind || 'hardware'}, ${whose}): rename or remove it`,
  )
}
