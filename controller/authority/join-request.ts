/** Whether a request to join can be granted by its token. */
import { isIP } from 'node:net'
import { OverlayError } from '../../lib/errors.ts'
import { parseName } from '../../lib/names.ts'
import type { Role } from '../../lib/pki/identity.ts'
import { quote } from '../../lib/quote.ts'
import { isWildcard } from '../../lib/reach.ts'
import type { ControlPlaneRequests, Identity, JoinRequest, Token } from '../../proto/index.ts'

/** An identity that is wanted. */
export interface Wanted {
  readonly role: Role
  readonly name: string
}

/** A JoinRequest that is in order. */
export interface Joining {
  readonly name: string
  /** The identities to be, the caller's own first. */
  readonly wanted: readonly [Wanted, ...Wanted[]]
  readonly controlPlane: ControlPlaneRequests | undefined
}

/** @throws OverlayError `invalid`; `permission_denied` when the token is for less. */
export function checkJoin({ name: text, controlPlane }: JoinRequest, token: Token): Joining {
  const name = parseName(text)
  const wanted = { role: token.role as Role, name }
  if (!controlPlane) return { name, wanted: [wanted], controlPlane: undefined }
  if (!token.controlPlane)
    throw new OverlayError(
      'permission_denied',
      `this token is for a ${token.role}, not for a host of the control plane: "overlayctl cluster token create --control-plane" makes one`,
    )
  checkHost(controlPlane.host)
  return { name, wanted: [wanted, { role: 'controller', name }], controlPlane }
}

/** What is dialled by other hosts, and goes into certificates. */
function checkHost(host: string): void {
  const isHost =
    isIP(host) !== 0 || /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(host)
  if (!isHost) throw new OverlayError('invalid', `${quote(host)} is not an IP address or host name`)
  if (isWildcard(host))
    throw new OverlayError('invalid', `${host} is no address that other hosts can dial: name one of the host's own`)
}

/**
 * Those that have the names now: they give way.
 * @throws OverlayError `already_exists` when they are not to.
 */
export function givingWay(
  { wanted }: Joining,
  identities: readonly Identity[],
  options: { readonly replace: boolean; readonly now: number },
): readonly Identity[] {
  const known = identities.filter((identity) =>
    wanted.some(({ role, name }) => identity.role === role && identity.name === name),
  )
  // An expired certificate of a person's is nobody's; a host still has what its name owns.
  const isWorthless = ({ role, notAfter }: Identity) => role !== 'node' && !(Date.parse(notAfter) > options.now)
  const first = known.find((identity) => !isWorthless(identity))
  if (!first || options.replace) return known
  const { role, name } = first
  const what =
    role === 'node' || role === 'controller'
      ? `node ${name} is enrolled already: if it is another host, give this one another name (--name); if it is gone, remove it ("overlayctl node rm ${name}"); if it is this one, whose state was lost, join with --replace`
      : `there is an identity ${role}/${name} already: choose another name, or join with --replace, which revokes it`
  throw new OverlayError('already_exists', what)
}
