/** This node's certificate files, as they are and as they are replaced. */
import { OverlayError } from '../../lib/errors.ts'
import { replaceFile, replacePair } from '../../lib/pki/replace-files.ts'
import type { TlsFiles } from '../../lib/tls.ts'

export interface CertificateFiles {
  writeAuthorities(bundle: string): void
  writePair(cert: string, key: string): void
}

/** @throws OverlayError `failed_precondition`, naming the file, from what it returns */
export function certificateFiles({ cert, key, ca }: TlsFiles): CertificateFiles {
  const needed = (file: string | undefined): string => {
    if (file !== undefined) return file
    throw new OverlayError('internal', 'a node of a managed cluster has a certificate, its key, and authorities')
  }
  return {
    writeAuthorities: (bundle) => explained(needed(ca), () => replaceFile(needed(ca), bundle)),
    writePair: (certificate, privateKey) =>
      explained(needed(cert), () =>
        replacePair({ cert: needed(cert), key: needed(key) }, { cert: certificate, key: privateKey }),
      ),
  }
}

function explained(file: string, action: () => void): void {
  try {
    action()
  } catch (error) {
    const why = (error as Error).message
    throw new OverlayError('failed_precondition', `${file} cannot be replaced: ${why}`, { cause: error })
  }
}
