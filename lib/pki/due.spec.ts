import { X509Certificate } from 'node:crypto'
import { expect, it } from 'vitest'
import { lifeOf, renewalTime } from './due.ts'
import { createAuthority, createKey, createRequest, issueCertificate } from './issue.ts'

it('is between two thirds and three quarters of a life, also of a short one, and for each certificate another time', async () => {
  const authority = await createAuthority('test', 3_600_000)
  const life = 120_000
  const times = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const request = await createRequest(await createKey())
      const certificate = new X509Certificate(await issueCertificate(authority, request, { commonName: 'x', life }))
      const { start, end } = lifeOf(certificate)
      // Certificates know whole seconds.
      expect(Math.abs(end - start - life)).toBeLessThanOrEqual(1_000)
      expect(Math.abs(start - Date.now())).toBeLessThan(10_000)
      expect(renewalTime(certificate)).toBe(renewalTime(certificate))
      return (renewalTime(certificate) - start) / (end - start)
    }),
  )
  for (const time of times) {
    expect(time).toBeGreaterThanOrEqual(2 / 3)
    expect(time).toBeLessThanOrEqual(3 / 4)
  }
  expect(new Set(times).size).toBe(times.length)
})
