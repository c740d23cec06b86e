/**
 * The file with which `cluster init` hands a new cluster's first authority, and
 * the identities that it has made itself, to the first controller.
 */
import { z } from 'zod'
import { AuthoritySet, Identity } from '../../proto/index.ts'
import { OverlayError } from '../errors.ts'

export interface FirstAuthority {
  readonly authorities: AuthoritySet
  readonly identities: readonly Identity[]
}

const schema = z.object({
  authorities: z.record(z.string(), z.json()),
  identities: z.array(z.record(z.string(), z.json())),
})

export function formatFirstAuthority({ authorities, identities }: FirstAuthority): string {
  const content = {
    authorities: AuthoritySet.toJson(authorities),
    identities: identities.map((identity) => Identity.toJson(identity)),
  }
  return `${JSON.stringify(content, undefined, 2)}\n`
}

/** @throws OverlayError `failed_precondition` */
export function parseFirstAuthority(text: string): FirstAuthority {
  try {
    const { authorities, identities } = schema.parse(JSON.parse(text))
    return {
      authorities: AuthoritySet.fromJson(authorities),
      identities: identities.map((identity) => Identity.fromJson(identity)),
    }
  } catch (error) {
    throw new OverlayError('failed_precondition', `it does not hold a first authority: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
