/** The authorities of the cluster in the store, where the first controller has put them. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { activeAuthority, openAuthority, trustOf } from '../../lib/pki/authorities.ts'
import { type FirstAuthority, parseFirstAuthority } from '../../lib/pki/first-authority.ts'
import type { AuthoritySet } from '../../proto/index.ts'
import { absent, type Entry, put, type Store } from '../../store/store.ts'
import type { SealingKey } from '../managed-options.ts'

/** Beside the sealing key; paths.firstAuthority on a host that `cluster init` has set up. */
const fileName = 'first-authority.json'

/**
 * The authorities, put into a store that has none from the file of `cluster
 * init`, which then goes. May be repeated, also after an error.
 * @throws OverlayError `failed_precondition` without either, with a file of
 * another cluster's, and with a sealing key that does not open them; `unavailable`.
 */
export async function ensureAuthorities(store: Store, sealing: SealingKey, log: Logger): Promise<Entry<AuthoritySet>> {
  const file = join(dirname(sealing.file), fileName)
  const first = existsSync(file) ? readFirst(file) : undefined
  if (first) checkOpens(sealing, first.authorities, `the authority in ${file}`)
  const entry = await store.get(store.keys.authorities)
  if (!entry) {
    if (!first)
      throw new OverlayError(
        'failed_precondition',
        `the store has no authority for this cluster, and there is no ${file}: "overlayctl cluster init" makes both; or is --prefix or --etcd another cluster's?`,
      )
    if (await seed(store, first))
      log.info({ authority: activeAuthority(first.authorities).id }, 'first authority stored')
    return ensureAuthorities(store, sealing, log)
  }
  checkOpens(sealing, entry.value, 'the authority of this cluster')
  if (first) forgetFile(file, first, entry.value, log)
  return entry
}

/** @returns whether it was us. */
async function seed(store: Store, { authorities, identities }: FirstAuthority): Promise<boolean> {
  const { keys } = store
  const outcome = await store.commit({
    compares: [absent(keys.authorities)],
    writes: [
      put(keys.authorities, authorities),
      put(keys.trust, trustOf(authorities)),
      ...identities.map((identity) => put(keys.identity(identity.id), identity)),
    ],
  })
  return outcome.committed
}

function readFirst(file: string): FirstAuthority {
  try {
    return parseFirstAuthority(readFileSync(file, 'utf8'))
  } catch (error) {
    const refused = OverlayError.from(error)
    throw new OverlayError('failed_precondition', `${file}: ${refused.message}`, { cause: error })
  }
}

/** It was made for this store, perhaps before a crash; or else somebody has mixed up clusters. */
function forgetFile(file: string, first: FirstAuthority, stored: AuthoritySet, log: Logger): void {
  const { id } = activeAuthority(first.authorities)
  if (!stored.authorities.some((authority) => authority.id === id))
    throw new OverlayError(
      'failed_precondition',
      `${file} is of another cluster than the one in the store: is --prefix or --etcd right? If so, remove the file`,
    )
  rmSync(file, { force: true })
  log.info({ file }, 'removed: the store has it')
}

/** @throws OverlayError `failed_precondition` */
export function checkOpens({ file, key }: SealingKey, set: AuthoritySet, what: string): void {
  for (const record of set.authorities)
    try {
      const opened = createPrivateKey(openAuthority(key, record).key)
      if (!new X509Certificate(record.certificate).checkPrivateKey(opened)) throw new Error('the key is not its own')
    } catch (error) {
      throw new OverlayError(
        'failed_precondition',
        `${file} does not open ${what}: it is not this cluster's sealing key (hosts of the control plane have it)`,
        { cause: error },
      )
    }
}
