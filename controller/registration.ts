/** Tells the agents where this controller can be dialled. */
import type { Logger } from '../lib/log.ts'
import type { Controller } from '../proto/index.ts'
import { holdLease } from '../store/hold-lease.ts'
import { put, type Store } from '../store/store.ts'

/** Seconds after which a controller that is gone is forgotten. */
const timeToLive = 10

/** Keeps `controllers/<id>` until `signal` aborts; then it is gone at once. */
export async function keepRegistered(
  store: Store,
  controller: Controller,
  { signal, log }: { readonly signal: AbortSignal; readonly log: Logger },
): Promise<void> {
  const key = store.keys.controller(controller.id)
  await holdLease(store, {
    ttlSeconds: timeToLive,
    signal,
    log,
    key,
    establish: async (lease) => {
      await store.commit({ compares: [], writes: [put(key, controller, { lease })] })
      log.info({ id: controller.id, address: controller.address }, 'registered')
    },
  })
}
