/** The journal's entries of addresses that are taken away by the controller: `history/<network>/<address>/…`. */
import type { Ip } from '../../lib/ip.ts'
import type { Endpoint, Tenure } from '../../proto/index.ts'
import { put, type Store, unchanged, type Write } from '../../store/store.ts'
import type { Evidence } from './evidence.ts'

export type End = Tenure['end']

/** It has ended; a journal's entry of an ended tenure never changes again. */
export function hasEnded({ end, releasedAt }: Tenure): boolean {
  return end !== 'END_UNSPECIFIED' || releasedAt !== ''
}

/** Ends the tenures of an endpoint that is there no more. */
export async function endTenures(
  store: Store,
  evidence: Evidence,
  { network, ip, endpointId }: { readonly network: string; readonly ip: Ip; readonly endpointId: string },
  end: End,
): Promise<Write[]> {
  const { entries } = await store.list(store.keys.historyOf(network, ip))
  const lasting = entries.filter(({ value }) => value.endpointId === endpointId && !hasEnded(value))
  for (const entry of lasting) evidence.note(unchanged(entry))
  return lasting.map((entry) =>
    put({ path: entry.path, type: store.keys.history(network).type }, ended(entry.value, end), { over: entry }),
  )
}

/** Ends the tenure of an endpoint that is being removed, also where its claim wrote none. */
export async function endTenureOf(
  store: Store,
  evidence: Evidence,
  { network, id, name, node, mac, createdAt }: Endpoint,
  ip: Ip,
  end: End,
): Promise<Write[]> {
  // Without its time it has no key.
  if (createdAt === '') return []
  const key = store.keys.tenure(network, ip, createdAt, id)
  const entry = await evidence.get(key)
  if (entry && hasEnded(entry.value)) return []
  const tenure = entry?.value ?? {
    address: ip,
    endpointId: id,
    name,
    node,
    mac,
    claimedAt: createdAt,
    releasedAt: '',
    end: 'END_UNSPECIFIED',
  }
  return [put(key, ended(tenure, end), { over: entry })]
}

function ended(tenure: Tenure, end: End): Tenure {
  return { ...tenure, releasedAt: new Date().toISOString(), end }
}
