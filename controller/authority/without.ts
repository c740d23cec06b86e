/** The services of a cluster's authority where there is none: certificates are the operator's own, or nobody's. */
import { OverlayError } from '../../lib/errors.ts'
import type { Handlers } from '../../lib/rpc-server.ts'
import type { Service } from '../../proto/index.ts'

/** Refuses each call, and says why. */
export function refusals<S extends Service>({ methods }: S): Handlers<S> {
  const each = Object.entries(methods).map(([name, { kind }]) => [name, kind === 'unary' ? refuse : refuseStream])
  return Object.fromEntries(each) as Handlers<S>
}

async function refuse(): Promise<never> {
  throw new OverlayError(
    'failed_precondition',
    'this cluster has no authority of its own: overlay-controller runs without --sealing-key, as "overlayctl cluster init" would have given it; tokens and certificates are made where its certificates come from, if it has any',
  )
}

function refuseStream(): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: refuse }) }
}
