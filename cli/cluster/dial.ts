/** Connections to controllers with certificates that overlayctl has in hand, not in files. */
import type { Tls, TlsMaterial } from '../../lib/tls.ts'
import { connectWith, type Peer } from '../connect.ts'
import type { Context } from '../context.ts'
import { connectControllers } from '../controllers.ts'
import { tlsFiles } from './layout.ts'

/** Milliseconds: a controller that has just started, or signs three certificates, may take its time. */
const patience = 15_000

export interface Material {
  /** PEM. */
  readonly authorities: string
  readonly certificate?: string
  readonly key?: string
}

/** To be closed by the caller. */
export function dial(context: Context, address: string, material: Material): Peer {
  const timeout = Math.max(context.globals.timeout, patience)
  return connectWith(address, timeout, () => fixedTls(material), context.signals.interrupted)
}

/** The same to any of several controllers, in this order. */
export function dialAny(context: Context, addresses: readonly string[], material: Material): Peer {
  const globals = { ...context.globals, controllers: addresses }
  const { interrupted } = context.signals
  return connectControllers(globals, interrupted, (address) =>
    connectWith(address, Math.max(globals.timeout, patience), () => fixedTls(material), interrupted),
  )
}

/** With the identity in a directory of this host. */
export function materialIn(context: Context, directory: string): Material {
  const files = tlsFiles(directory)
  const read = (path: string) => context.host.read(path).toString('utf8')
  return { authorities: read(files.ca), certificate: read(files.cert), key: read(files.key) }
}

/** Material that stays as it is. */
function fixedTls({ authorities, certificate, key }: Material): Tls {
  const material: TlsMaterial = {
    ca: Buffer.from(authorities),
    ...(certificate !== undefined && key !== undefined && { cert: Buffer.from(certificate), key: Buffer.from(key) }),
  }
  return { files: {}, current: () => material, reload: () => false, onChange: () => () => undefined }
}
