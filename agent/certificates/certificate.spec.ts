import { describe, expect, it } from 'vitest'
import { createAuthority, createKey, createRequest, issueCertificate } from '../../lib/pki/issue.ts'
import { isEnding, readAuthorities, readCertificate } from './certificate.ts'

const minute = 60_000
const [one, other] = await Promise.all(['one', 'other'].map((name) => createAuthority(name, 60 * minute)))
const bundle = `${one?.certificate}${other?.certificate}`
const idsOf = (pem = '') => readAuthorities(pem).map(({ id }) => id)

async function issue(life: number) {
  if (!one) throw new Error('no authority')
  const fields = { commonName: 'node-0123456789abcdef', uri: 'overlay:node:host1', life }
  return issueCertificate(one, await createRequest(await createKey()), fields)
}

describe('a certificate', () => {
  it('tells who has it, who has signed it, and when it is to be renewed', async () => {
    const began = Date.now()
    const own = readCertificate(await issue(2 * minute), readAuthorities(bundle))
    expect(own).toMatchObject({
      identity: { role: 'node', name: 'host1', id: '0123456789abcdef' },
      authority: idsOf(one?.certificate)[0],
    })
    expect(Math.abs(own.madeAt - began)).toBeLessThan(5_000)
    expect(own.renewAt - own.madeAt).toBeGreaterThanOrEqual((own.notAfter - own.madeAt) * (2 / 3))
    expect(own.renewAt - own.madeAt).toBeLessThanOrEqual((own.notAfter - own.madeAt) * (3 / 4))
    expect(Math.abs(own.notAfter - began - 2 * minute)).toBeLessThan(5_000)
    const byStranger = readCertificate(await issue(minute), readAuthorities(other?.certificate ?? ''))
    expect(byStranger.authority).toBeUndefined()
  })

  it('is ending in the last sixth of its life, and after it', () => {
    const own = { identity: undefined, authority: 'a', madeAt: 0, renewAt: 4 * minute, notAfter: 6 * minute }
    expect([5 * minute, 5 * minute + 1, 7 * minute].map((now) => isEnding(own, now))).toEqual([false, true, true])
  })
})

it('a bundle has authorities only, and one at least', async () => {
  expect(idsOf(bundle)).toEqual([...idsOf(one?.certificate), ...idsOf(other?.certificate)])
  expect(() => readAuthorities('')).toThrow('it has none')
  expect(() => readAuthorities(bundle.slice(0, 300))).toThrow('it has none')
  expect(() => readAuthorities('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')).toThrow(
    'is no bundle',
  )
  await expect(issue(minute).then((leaf) => readAuthorities(leaf))).rejects.toThrow('a certificate that is not one')
})
