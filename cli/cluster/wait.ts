/** Waits for what has just been started. */
import { OverlayError } from '../../lib/errors.ts'
import { pause } from '../../lib/retry.ts'
import {
  type AddMemberRequest,
  AgentService,
  ClustersService,
  type ControlPlaneMember,
  ControlPlaneService,
  type Init,
} from '../../proto/index.ts'
import type { Peer } from '../connect.ts'
import type { Context } from '../context.ts'
import type { EtcdAccess } from './host.ts'
import { notStarted, units } from './units.ts'

/** Milliseconds: between two looks, and all in all. */
const interval = 100
const patience = 30_000
/** A learner first gets all that etcd holds. */
const promotionPatience = 120_000

/** Until `look` gives something. @throws `late()` when it has not for so long, and when the user interrupts. */
async function until<T>(
  { signals: { interrupted } }: Context,
  look: () => Promise<T | undefined>,
  late: () => Promise<Error> | Error,
  most = patience,
): Promise<T> {
  for (const since = performance.now(); ; ) {
    const found = await look()
    interrupted.throwIfAborted()
    if (found !== undefined) return found
    if (performance.now() - since > most) throw await late()
    await pause(interval, interrupted)
  }
}

/** @throws OverlayError `failed_precondition` */
export async function waitForEtcd(context: Context, url: string, access: EtcdAccess): Promise<void> {
  const { host } = context
  await until(
    context,
    async () => (await host.etcdIsWell(url, access)) || undefined,
    () => notStarted(host, units.etcd, `it does not answer at ${url}`),
  )
}

/** Until the controller serves, and has its store. @throws OverlayError why not. */
export async function waitForController(context: Context, controller: Peer): Promise<void> {
  let why = 'it does not answer'
  await until(
    context,
    async () => {
      try {
        const { store } = await controller.ask((client, call) => client.service(ClustersService).getStatus({}, call))
        if (store?.healthy) return true
        why = store?.problem || 'it has no store'
      } catch (error) {
        why = (error as Error).message
      }
      return undefined
    },
    () =>
      new OverlayError(
        'failed_precondition',
        `the controller is not well: ${why} (see: journalctl -u ${units.controller})`,
      ),
  )
}

/** Until the agent is ready. @throws OverlayError why it is not. */
export async function waitForAgent(context: Context): Promise<void> {
  let why = 'it does not answer'
  await until(
    context,
    async () => {
      try {
        const { state, reason } = await context.agent.ask((client, call) =>
          client.service(AgentService).getStatus({}, call),
        )
        if (state === 'READY') return true
        why = reason || state
      } catch (error) {
        why = (error as Error).message
      }
      return undefined
    },
    () => new OverlayError('failed_precondition', `the agent is not ready: ${why} (see: journalctl -u ${units.agent})`),
  )
}

/**
 * Until etcd has taken the new member in, as one without a vote. A member that
 * came just before keeps it from that for some seconds.
 * @throws OverlayError why it has not.
 */
export function waitForPlace(
  context: Context,
  controller: Peer,
  member: Init<AddMemberRequest>,
): Promise<readonly ControlPlaneMember[]> {
  const add = async () => {
    const { members } = await controller.ask((client, call) =>
      client.service(ControlPlaneService).addMember(member, call),
    )
    return members
  }
  return untilTaken(context, add, (why) => new OverlayError('unavailable', `etcd takes no new member in: ${why}`))
}

/** Until the new member of etcd has its vote. @throws OverlayError why it has not. */
export async function waitForVote(context: Context, controller: Peer, name: string): Promise<void> {
  const promote = () =>
    controller.ask((client, call) => client.service(ControlPlaneService).promoteMember({ name }, call))
  const late = (why: string) =>
    new OverlayError('failed_precondition', `etcd of this host got no vote: ${why} (see: journalctl -u ${units.etcd})`)
  await untilTaken(context, promote, late, promotionPatience)
}

/** Asks again while the answer is that it cannot be done yet. */
function untilTaken<T>(context: Context, ask: () => Promise<T>, late: (why: string) => Error, most = patience) {
  let why = ''
  const once = async () => {
    try {
      return await ask()
    } catch (thrown) {
      const error = OverlayError.from(thrown)
      if (error.code !== 'unavailable' && error.code !== 'deadline') throw error
      why = error.message
      return undefined
    }
  }
  return until(context, once, () => late(why), most)
}
