/** Has the cluster forget an identity that this host, or person, has just been given. */
import { type JoinResponse, NodesService, SecurityService } from '../../proto/index.ts'
import type { Context } from '../context.ts'
import { dial } from './dial.ts'

interface Given {
  readonly answer: Pick<JoinResponse, 'authorities' | 'certificate' | 'identity'>
  /** PEM: of the certificate. */
  readonly key: string
}

/** By what it gives itself; that the cluster cannot be asked, or a viewer may not, is told. */
export async function giveBack(context: Context, controller: string, { answer, key }: Given): Promise<void> {
  const { certificate, authorities, identity } = answer
  const { role = '', name = '', id = '' } = identity ?? {}
  const peer = dial({ ...context, signals: uninterrupted(context) }, controller, { authorities, certificate, key })
  try {
    if (role === 'node')
      await peer.ask((client, call) => client.service(NodesService).remove({ name, force: true }, call))
    else await peer.ask((client, call) => client.service(SecurityService).revoke({ identity: id }, call))
  } catch {
    context.note(
      role === 'node'
        ? 'the cluster may still have the name of this host: give --replace when it joins again'
        : `the cluster still has ${role}/${name}: overlayctl cluster certs revoke ${role}/${name}, as an admin`,
    )
  } finally {
    peer.close()
  }
}

/** What takes something back goes on after Ctrl-C. */
export function uninterrupted({ signals }: Context): Context['signals'] {
  return { ...signals, interrupted: new AbortController().signal }
}
