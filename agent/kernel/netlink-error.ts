/** What the kernel refuses, as errors that a person can act on. */
import { getSystemErrorMap, getSystemErrorName } from 'node:util'
import { type ErrorCode, OverlayError } from '../../lib/errors.ts'
import type { Acknowledgement } from './netlink-message.ts'

const codeOf: Readonly<Record<string, ErrorCode>> = {
  EEXIST: 'already_exists',
  ENOENT: 'not_found',
  ENODEV: 'not_found',
  ENXIO: 'not_found',
  ESRCH: 'not_found',
  EADDRNOTAVAIL: 'not_found',
  EPERM: 'permission_denied',
  EACCES: 'failed_precondition',
  EBUSY: 'failed_precondition',
  EADDRINUSE: 'failed_precondition',
  EINVAL: 'failed_precondition',
  ERANGE: 'failed_precondition',
  EOPNOTSUPP: 'failed_precondition',
  ENETUNREACH: 'failed_precondition',
  ENETDOWN: 'failed_precondition',
  EHOSTUNREACH: 'failed_precondition',
}

const wayOutOf: Readonly<Record<string, string>> = {
  EPERM: 'run as root, or with CAP_NET_ADMIN',
  // Of links and addresses it is said where IPv6 is switched off, in older kernels without a word.
  EACCES: 'enable IPv6 there (sysctl net.ipv6.conf.all.disable_ipv6=0), or use a network without IPv6',
}

/** What was tried, for example `create bridge ovbr5`, and how the kernel refused it. */
export function netlinkError(what: string, { errno, words }: Acknowledgement): OverlayError {
  const name = getSystemErrorName(-errno)
  const why = words || getSystemErrorMap().get(-errno)?.[1] || 'refused'
  const wayOut = wayOutOf[name] ? `; ${wayOutOf[name]}` : ''
  return new OverlayError(codeOf[name] ?? 'internal', `cannot ${what}: ${why} (${name})${wayOut}`)
}
