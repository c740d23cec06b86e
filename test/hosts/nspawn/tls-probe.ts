/** How a server speaks TLS to a caller without a certificate, by openssl's own client (openssl-s_client(1)). */
import type { NspawnHost } from './host.ts'

/** Whether it sends CertificateRequest in the handshake (RFC 8446, 4.3.2). */
export async function asksForCertificate(from: NspawnHost, server: string): Promise<boolean> {
  return (await connect(from, server, '-tls1_3', '-msg')).includes('CertificateRequest')
}

export async function refusesTls12(from: NspawnHost, server: string): Promise<boolean> {
  const text = await connect(from, server, '-tls1_2')
  return /alert (protocol version|handshake failure)/.test(text) && !/Cipher is [A-Z]/.test(text.replace('(NONE)', ''))
}

/** Whether the connection is ended with an alert, before anything could be asked. */
export async function refusesWithoutCertificate(from: NspawnHost, server: string): Promise<boolean> {
  // It stays until the server ends it.
  return /alert (certificate required|bad certificate)/.test(await connect(from, server, '-tls1_3', '-ign_eof'))
}

async function connect(from: NspawnHost, server: string, ...flags: readonly string[]): Promise<string> {
  const words = ['timeout', '5', 'openssl', 's_client', '-connect', server, ...flags]
  const { stdout, stderr } = await from.try(words)
  return `${stdout}\n${stderr}`
}
