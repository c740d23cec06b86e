/**
 * Whom the etcd of this host trusts. It reads that file only when it starts: a
 * systemd path unit (overlay-etcd-trust) restarts it when the file has changed.
 * So that the cluster keeps its majority, one host after the other changes its own.
 */
import { readFileSync, statSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { OverlayError } from '../../lib/errors.ts'
import { bundleOf } from '../../lib/pki/authorities.ts'
import { pause } from '../../lib/retry.ts'
import { firstOf } from '../../lib/signals.ts'
import type { Tls } from '../../lib/tls.ts'
import type { AuthoritySet, Controller, Init } from '../../proto/index.ts'
import { elect } from '../../store/election.ts'
import type { Store } from '../../store/store.ts'
import { writeIfOther } from './own-certificates.ts'
import type { AuthorityParts } from './parts.ts'

/** Who changes its own now. */
const office = 'etcd-trust'
/** Seconds that a host may be away in the middle of it. */
const ttlSeconds = 30
/** Milliseconds between two looks, and until a restart that does not come is given up for now. */
const interval = 500
const patience = 120_000
/** Etcd tells when it was started by the kernel's boot time, which is in whole seconds. Milliseconds. */
const tolerance = 2_000

export interface EtcdTrustParts extends Pick<AuthorityParts, 'store' | 'self' | 'log'> {
  /** Where etcd's files are. */
  readonly directory: string
  readonly tls: Tls
  /** What the key of the office says. */
  readonly candidate: Init<Controller>
  readonly signal: AbortSignal
}

/** Returns when the etcd of this host trusts these authorities and no others, or the signal aborts. */
export async function bringTrustToEtcd(parts: EtcdTrustParts, set: AuthoritySet): Promise<void> {
  const { store, candidate, directory, signal, log } = parts
  const bundle = bundleOf(set)
  if (isWritten(directory, bundle) && (await isRestarted(parts).catch(() => false))) return
  const done = new AbortController()
  await elect(store, {
    office,
    candidate,
    ttlSeconds,
    log,
    signal: firstOf(signal, done.signal),
    lead: async (term) => {
      await changeTrust(parts, bundle, term)
      if (!term.aborted) done.abort()
    },
  })
}

async function changeTrust(parts: EtcdTrustParts, bundle: string, term: AbortSignal): Promise<void> {
  const { store, directory, log } = parts
  await until(() => allHealthy(store), term, 'all members of etcd to be well')
  // Long enough that its being started again can be told.
  await until(async () => Date.now() > (await startOf(parts)) + 2 * tolerance, term, 'etcd to be up for a while')
  if (term.aborted) return
  if (writeIfOther(join(directory, 'ca.crt'), bundle)) log.info('etcd is told of the authorities: it is restarted')
  await until(() => isRestarted(parts), term, 'etcd to be restarted (unit overlay-etcd-trust.path)')
  await until(() => allHealthy(store), term, 'all members of etcd to be well again')
  log.info('etcd trusts the authorities of the cluster')
}

/** @throws OverlayError `deadline` */
async function until(holds: () => Promise<boolean>, term: AbortSignal, what: string): Promise<void> {
  const end = performance.now() + patience
  while (!term.aborted && !(await holds().catch(() => false))) {
    if (performance.now() > end) throw new OverlayError('deadline', `waited ${patience / 1000} s for ${what}`)
    await pause(interval, term)
  }
}

async function allHealthy(store: Store): Promise<boolean> {
  const members = await store.members()
  return members.length > 0 && members.every(({ problem }) => problem === '')
}

function isWritten(directory: string, bundle: string): boolean {
  return readFileSync(join(directory, 'ca.crt'), 'utf8') === bundle
}

/** Whether etcd was started after the file was written. */
async function isRestarted(parts: EtcdTrustParts): Promise<boolean> {
  return (await startOf(parts)) >= statSync(join(parts.directory, 'ca.crt')).mtimeMs - tolerance
}

/** Of this host's etcd, in milliseconds since the epoch: a metric that all Go programs have. */
async function startOf({ store, self, tls }: EtcdTrustParts): Promise<number> {
  const member = (await store.members()).find(({ name }) => name === self.name)
  if (!member)
    throw new OverlayError('failed_precondition', `etcd has no member ${self.name}: this host's has no other name`)
  const metrics = await get(`${member.url}/metrics`, tls)
  const seconds = /^process_start_time_seconds (\S+)$/m.exec(metrics)?.[1]
  if (seconds === undefined) throw new OverlayError('unavailable', 'etcd does not tell when it was started')
  return Number(seconds) * 1000
}

function get(url: string, tls: Tls): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(url, { ...tls.current(), agent: false, timeout: 2_000 }, (response) => {
      response.setEncoding('utf8')
      let text = ''
      response.on('data', (piece: string) => {
        text += piece
      })
      response.on('end', () => resolve(text))
      response.on('error', reject)
    })
    call.on('timeout', () => call.destroy(new Error('etcd does not answer')))
    call.on('error', reject)
    call.end()
  })
}
