import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { type Authority, createAuthority, createKey, createRequest, issueCertificate } from '../../lib/pki/issue.ts'
import { replaceFile, replacePair } from '../../lib/pki/replace-files.ts'
import { readTls, type Tls } from '../../lib/tls.ts'
import { RenewResponse, Trust } from '../../proto/index.ts'
import { feeds, keys, snapshot } from '../testing/feeds.ts'
import { readAuthorities } from './certificate.ts'
import type { Enrolment } from './enrolment.ts'
import { certificateFiles } from './files.ts'
import { type Certificates, keepCertificates } from './keep-certificates.ts'
import { createCertificateRequest } from './request.ts'

const minute = 60_000
const id = '0123456789abcdef'
const first = await createAuthority('first', 60 * minute)
const second = await createAuthority('second', 60 * minute)
const idOf = ({ certificate }: Authority) => readAuthorities(certificate)[0]?.id ?? ''

let directory = ''
let stop: AbortController
let clock = 0
let issued: number
let confirmed: (readonly string[])[]
let turns = 0
/** When it is this node's turn. */
let turn: Promise<void>
/** What the controllers do; undefined: they serve. */
let refusal: OverlayError | undefined
let signer: Authority
/** What the controllers have written down. */
let trusts: readonly string[]
let recorded: string
let tls: Tls
let certificates: Certificates
let tell: (update: Parameters<ReturnType<typeof feeds>['tell']>[1]) => Promise<void>

const file = (name: string) => join(directory, name)
const issue = (authority: Authority, request: string, name = 'host1') =>
  issueCertificate(authority, request, { commonName: `node-${id}`, uri: `overlay:node:${name}`, life: 2 * minute })
const current = () => new X509Certificate(String(tls.current().cert))
const until = (condition: () => boolean) => vi.waitUntil(condition, { timeout: 5_000, interval: 2 })
const tellTrust = (bundle: readonly Authority[], active: Authority) => {
  const value = Trust.create({
    authorities: bundle.map(({ certificate }) => certificate).join(''),
    active: idOf(active),
  })
  return tell(snapshot([{ path: keys.trust.path, value, json: {}, createRevision: 1, modRevision: 1 }]))
}
/** As if so much time had passed; whatever is followed wakes it. */
async function after(milliseconds: number, ...trust: Parameters<typeof tellTrust>) {
  clock += milliseconds
  await tellTrust(...trust)
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-certificates-'))
  stop = new AbortController()
  clock = 0
  issued = 0
  confirmed = []
  turns = 0
  turn = Promise.resolve()
  refusal = undefined
  signer = first
  trusts = []
  recorded = idOf(first)
  const pair = await createKey()
  replaceFile(file('ca.crt'), first.certificate)
  const cert = await issue(first, await createRequest(pair))
  replacePair({ cert: file('tls.crt'), key: file('tls.key') }, { cert, key: pair.key })
  const read = readTls({ ca: file('ca.crt'), cert: file('tls.crt'), key: file('tls.key') })
  if (!read) throw new Error('no TLS')
  tls = read
})
afterEach(() => {
  stop.abort()
  rmSync(directory, { recursive: true, force: true })
})

function keep(enrolment: Partial<Enrolment> = {}) {
  const { store, tell: tellOf } = feeds()
  tell = (update) => tellOf(keys.trust.path, update)
  certificates = keepCertificates({
    tls,
    store: { ...store, get: async () => ({ value: { trusts, authority: recorded } }) as never },
    enrolment: {
      async renew(request) {
        if (refusal) throw refusal
        const certificate = await issue(signer, request)
        issued++
        return RenewResponse.create({ certificate, authorities: String(tls.current().ca) })
      },
      async confirm(authorities) {
        if (refusal) throw refusal
        confirmed.push(authorities)
      },
      ...enrolment,
    },
    files: certificateFiles(tls.files),
    createRequest: createCertificateRequest,
    now: () => Date.now() + clock,
    turn: async () => {
      turns++
      await turn
    },
    signal: stop.signal,
    log: pino({ level: 'silent' }),
  })
}

it('is renewed between two thirds and three quarters of two minutes, with a new key, and not before', async () => {
  keep()
  const before = current()
  await tellTrust([first], first)
  await until(() => confirmed.length === 1)
  await after(78_000, [first], first)
  expect(issued).toBe(0)
  await after(13_000, [first], first)
  await until(() => current().serialNumber !== before.serialNumber)
  expect(current().publicKey.equals(before.publicKey)).toBe(false)
  expect(String(tls.current().cert)).toBe(readFileSync(file('tls.crt'), 'utf8'))
  await after(1_000, [first], first)
  expect([issued, confirmed]).toEqual([1, [[idOf(first)]]])
})

it('trusts who is brought in, says so, and is renewed at once when that one signs', async () => {
  keep()
  await tellTrust([first, second], first)
  await until(() => confirmed.at(-1)?.length === 2)
  expect(readFileSync(file('ca.crt'), 'utf8')).toBe(first.certificate + second.certificate)
  expect(String(tls.current().ca)).toContain(second.certificate)
  expect(issued).toBe(0)
  signer = second
  await tellTrust([second, first], second)
  await until(() => issued === 1)
  await until(() => current().verify(new X509Certificate(second.certificate).publicKey))
  await tellTrust([second], second)
  await until(() => String(tls.current().ca) === second.certificate)
  expect(issued).toBe(1)
})

it('shows the controllers its certificate of another authority, once it has it', async () => {
  trusts = [idOf(first), idOf(second)]
  signer = second
  keep()
  await tellTrust([first, second], second)
  await until(() => confirmed.length === 1)
  expect(current().verify(new X509Certificate(second.certificate).publicKey)).toBe(true)
  expect(confirmed).toEqual([trusts])
})

it('says nothing anew to controllers that know it', async () => {
  trusts = [idOf(first)]
  keep()
  await tellTrust([first], first)
  clock = 91_000
  await tellTrust([first], first)
  await until(() => issued === 1)
  expect(confirmed).toEqual([])
})

it('is told when its end is near, and while it is not renewed', async () => {
  keep()
  refusal = new OverlayError('unauthenticated', 'host1 was removed')
  await after(91_000, [first], first)
  expect(certificates.problems()).toEqual([])
  await after(14_000, [first], first)
  await until(() => certificates.problems().length === 1)
  expect(certificates.problems()[0]).toMatch(
    /^the certificate of this node ends at .* could not be renewed: host1 was rem/,
  )
  clock += minute
  expect(certificates.problems()[0]).toMatch(/ended at .*; join again \("overlayctl cluster join"\)$/)
  refusal = undefined
  await tellTrust([first], first)
  await until(() => issued === 1 && certificates.problems().length === 0)
})

it('takes nothing that is not its own, nor authorities that are none', async () => {
  const before = current().serialNumber
  let asked = 0
  keep({
    async renew(request) {
      asked++
      return RenewResponse.create({ certificate: await issue(first, request, 'host2'), authorities: first.certificate })
    },
  })
  await after(91_000, [first], first)
  await until(() => asked > 0)
  await tellTrust([{ certificate: 'none', key: '' }], first)
  expect(current().serialNumber).toBe(before)
  expect(readFileSync(file('ca.crt'), 'utf8')).toBe(first.certificate)
})

it('where the cluster issues none, reads the files again when somebody has replaced them', async () => {
  keep()
  await tell(snapshot([]))
  const pair = await createKey()
  const cert = await issue(second, await createRequest(pair))
  clock += 10 * minute
  writeFileSync(file('ca.crt'), second.certificate)
  replacePair({ cert: file('tls.crt'), key: file('tls.key') }, { cert, key: pair.key })
  // Nobody tells it: an own PKI has no record. Its next look is its own.
  stop.abort()
  stop = new AbortController()
  keep()
  await until(() => String(tls.current().cert) === cert)
  expect([issued, confirmed]).toEqual([0, []])
})

it('is renewed again though the clock was ahead when it was renewed', async () => {
  keep()
  await after(91_000, [first], first)
  await until(() => issued === 1)
  const ahead = clock
  // It is put right, and what was issued then comes to its end.
  clock = 0
  await tellTrust([first], first)
  const isRenewed = async () => {
    await after(91_000 - clock, [first], first)
    return issued === 2
  }
  await vi.waitUntil(isRenewed, { timeout: 4_000, interval: 10 })
  expect(clock).toBeLessThanOrEqual(ahead)
})

it('what all are told at once it does when it is its turn, but trusts at once', async () => {
  let turnComes = () => {}
  keep()
  await tellTrust([first], first)
  await until(() => confirmed.length === 1)
  expect(turns).toBe(0)
  turn = new Promise((resolve) => {
    turnComes = resolve
  })
  signer = second
  await tellTrust([first, second], second)
  await until(() => String(tls.current().ca).includes(second.certificate) && turns === 1)
  expect([issued, confirmed.length]).toEqual([0, 1])
  turnComes()
  await until(() => issued === 1 && confirmed.length >= 2)
  await tellTrust([first, second], second)
  expect(turns).toBe(1)
})

it('is not renewed over and over where the store is behind the controllers', async () => {
  signer = second
  keep({
    async renew(request) {
      issued++
      return RenewResponse.create({
        certificate: await issue(signer, request),
        authorities: first.certificate + second.certificate,
      })
    },
  })
  await after(91_000, [first], first)
  await until(() => current().verify(new X509Certificate(second.certificate).publicKey))
  await until(() => confirmed.at(-1)?.length === 2)
  expect(issued).toBe(1)
  expect(String(tls.current().ca)).toBe(first.certificate + second.certificate)
})

it('after its end it is told of without a store too, which would take nothing of this node', () => {
  keep()
  clock = 121_000
  expect(certificates.problems().join()).toMatch(/ended at .* the store, .* was not reached yet; join again/)
})
