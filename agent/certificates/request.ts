/** A new key and a request for its certificate. What makes them is loaded only then: it takes longer than all else at a start. */
export async function createCertificateRequest(): Promise<{ readonly key: string; readonly request: string }> {
  const { createKey, createRequest } = await import('../../lib/pki/issue.ts')
  const pair = await createKey()
  return { key: pair.key, request: await createRequest(pair) }
}
