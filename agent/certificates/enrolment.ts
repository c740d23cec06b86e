/** Asks the controllers for what concerns this node's own certificate. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { type Calls, createRpcClient, type RpcClientOptions } from '../../lib/rpc-client.ts'
import { EnrolmentService, type RenewResponse } from '../../proto/index.ts'

export interface Enrolment {
  /** `request`: PKCS #10, PEM. @throws OverlayError as the controller's, `unavailable` when none answers */
  renew(request: string): Promise<RenewResponse>
  /** Tells that these authorities are trusted here, by their ids. @throws as `renew` */
  confirm(authorities: readonly string[]): Promise<void>
}

export interface EnrolmentOptions {
  /** HOST:PORT of the controllers, as they are now. */
  readonly addresses: () => readonly string[]
  readonly credentials: RpcClientOptions['credentials']
  /** Gives up what is under way. */
  readonly signal: AbortSignal
}

/** Milliseconds that a controller has to accept the connection, and to answer. */
const patience = { connect: 2_000, answer: 10_000 }

/** Each call goes to one controller, whichever; to the next one when that is away. */
export function createEnrolment({ addresses, credentials, signal }: EnrolmentOptions): Enrolment {
  const askOne = async <T>(address: string, ask: (service: Calls<typeof EnrolmentService>) => Promise<T>) => {
    const client = createRpcClient({ address, credentials, timeout: patience.answer })
    try {
      if (await client.answers(patience.connect)) return await ask(client.service(EnrolmentService))
      throw new OverlayError('unavailable', `controller ${address} does not answer`)
    } finally {
      client.close()
    }
  }
  const ask = async <T>(call: (service: Calls<typeof EnrolmentService>) => Promise<T>): Promise<T> => {
    let failure = new OverlayError('unavailable', 'no controller is known')
    for (const address of shuffled(addresses())) {
      if (signal.aborted) break
      try {
        return await askOne(address, call)
      } catch (error) {
        if (!(hasCode(error, 'unavailable') || hasCode(error, 'deadline'))) throw error
        failure = error
      }
    }
    throw failure
  }
  return {
    renew: (request) => ask((service) => service.renew({ request }, { signal })),
    async confirm(authorities) {
      await ask((service) => service.confirm({ authorities: [...authorities] }, { signal }))
    },
  }
}

function shuffled<T>(items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item)
}
