/** Puts together what looks after this node's certificates. */
import type { Logger } from '../../lib/log.ts'
import { clientCredentials, type Tls } from '../../lib/tls.ts'
import type { Store } from '../../store/store.ts'
import type { Controllers } from '../controllers.ts'
import { createEnrolment } from './enrolment.ts'
import { certificateFiles } from './files.ts'
import { type Certificates, keepCertificates } from './keep-certificates.ts'
import { createCertificateRequest } from './request.ts'
import { waitTurn } from './turn.ts'

export interface CertificateParts {
  readonly tls: Tls
  readonly store: Store
  readonly controllers: Controllers
  readonly signal: AbortSignal
  readonly log: Logger
}

/** See keepCertificates. */
export function startCertificates({ tls, store, controllers, signal, log }: CertificateParts): Certificates {
  const addresses = () => [...controllers.all().values()]
  return keepCertificates({
    tls,
    store,
    turn: (signal) => waitTurn(store, signal),
    enrolment: createEnrolment({ addresses, credentials: clientCredentials(tls), signal }),
    files: certificateFiles(tls.files),
    createRequest: createCertificateRequest,
    now: Date.now,
    signal,
    log,
  })
}
