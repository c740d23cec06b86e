/** Enters a cluster with a token, from whatever host. */
import { OverlayError } from '../../lib/errors.ts'
import type { Role } from '../../lib/pki/identity.ts'
import { parseToken } from '../../lib/pki/token.ts'
import { EnrolmentService, type JoinResponse } from '../../proto/index.ts'
import type { Context } from '../context.ts'
import { dial } from './dial.ts'
import { giveBack } from './give-back.ts'
import { type Pinned, pinAuthority } from './pin.ts'
import { type ControlPlaneKeys, loadPki, newControlPlaneKeys, newKey, requestsOf } from './pki.ts'

/** Milliseconds that a controller has to take the connection, with another one to ask. */
const patience = 5_000

/** The controller whose authority is the token's. */
export interface Door extends Pinned {
  readonly token: string
}

export interface Entry {
  readonly name: string
  /** What the token must be for. */
  readonly roles: readonly Role[]
  readonly replace: boolean
  /** Of a host of the control plane: where others dial it. */
  readonly controlPlaneHost?: string | undefined
}

export interface Entered {
  readonly answer: JoinResponse
  /** PEM: of the certificate in the answer. */
  readonly key: string
  readonly controlPlane: ControlPlaneKeys | undefined
}

/**
 * The first of these controllers that takes a connection.
 * @throws OverlayError `invalid` for a wrong token, `unauthenticated` where the authority is another, `unavailable`.
 */
export async function findDoor(context: Context, addresses: readonly string[], token: string): Promise<Door> {
  const { fingerprint } = parseToken(token)
  const { interrupted } = context.signals
  const faults: OverlayError[] = []
  for (const address of addresses) {
    try {
      return {
        ...(await pinAuthority(address, { fingerprint, timeout: patience, interrupted })),
        token: token.trim(),
      }
    } catch (thrown) {
      interrupted.throwIfAborted()
      const error = OverlayError.from(thrown)
      if (error.code !== 'unavailable') throw error
      faults.push(error)
    }
  }
  throw new OverlayError('unavailable', faults.map(({ message }) => message).join('; '))
}

/** @throws OverlayError what the controller refuses: a token that is unknown or used up, a name that is taken; `invalid` with a token for somebody else. */
export async function enter(
  context: Context,
  door: Door,
  { name, roles, replace, controlPlaneHost }: Entry,
): Promise<Entered> {
  const pki = await loadPki()
  const { key, request } = await newKey(pki)
  const controlPlane = controlPlaneHost === undefined ? undefined : await newControlPlaneKeys(pki)
  const peer = dial(context, door.address, { authorities: door.authority })
  try {
    const answer = await peer.ask((client, call) =>
      client.service(EnrolmentService).join(
        {
          token: door.token,
          name,
          request,
          replace,
          ...(controlPlane && controlPlaneHost && { controlPlane: requestsOf(controlPlane, controlPlaneHost) }),
        },
        call,
      ),
    )
    const role = answer.identity?.role ?? ''
    if (!roles.some((wanted) => wanted === role)) {
      await giveBack(context, door.address, { answer, key })
      throw new OverlayError('invalid', wrongRole(role, roles))
    }
    return { answer, key, controlPlane }
  } finally {
    peer.close()
  }
}

/** What a token is for, only its cluster knows. */
function wrongRole(role: string, [wanted = 'node']: readonly Role[]): string {
  const right = wanted === 'node' ? '' : ` --role ${wanted}`
  const instead = role === 'node' ? 'with it a host joins (cluster join)' : 'with it a person logs in (cluster login)'
  return `this token is for ${role === 'admin' ? 'an' : 'a'} ${role}, not for a ${wanted === 'node' ? 'host' : 'person'}: ${instead}; overlayctl cluster token create${right} makes the right one`
}

/**
 * The token by option, file, standard input or environment, in this order.
 * @throws OverlayError `invalid` when there is none.
 */
export async function readToken(
  { env, host, input, signals }: Context,
  { token, tokenFile }: { readonly token?: string; readonly tokenFile?: string },
): Promise<string> {
  if (token !== undefined && tokenFile !== undefined)
    throw new OverlayError('invalid', 'give --token or --token-file, not both')
  const text = token ?? (tokenFile === undefined ? env['OVERLAY_TOKEN'] : await fromFile(tokenFile))
  if (!text?.trim())
    throw new OverlayError(
      'invalid',
      'there is no token: give --token, --token-file or OVERLAY_TOKEN; "overlayctl cluster token create" makes one',
    )
  parseToken(text)
  return text.trim()

  async function fromFile(path: string): Promise<string> {
    if (path === '-') return input(signals.interrupted)
    try {
      return host.read(path).toString('utf8')
    } catch (error) {
      throw new OverlayError('invalid', `--token-file ${path}: cannot be read: ${(error as Error).message}`, {
        cause: error,
      })
    }
  }
}
