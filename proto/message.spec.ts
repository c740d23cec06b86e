import { describe, expect, it } from 'vitest'
import {
  Answer,
  AppliedQuestion,
  AttachRequest,
  DetachRequest,
  Endpoint,
  type Init,
  Network,
  Question,
} from './index.ts'

const network: Init<Network> = {
  name: 'web',
  vni: 1048576,
  subnets: [{ cidr: '10.0.9.0/24', gateway: '10.0.9.1' }, { cidr: 'fd00::/64' }],
  labels: { team: 'a' },
  state: 'READY',
}

describe('create', () => {
  it('fills in every field', () => {
    expect(Endpoint.create({ id: 'e1' })).toEqual({
      id: 'e1',
      network: '',
      networkUid: '',
      name: '',
      node: '',
      mac: '',
      addresses: [],
      ifname: '',
      sandbox: null,
      labels: {},
      createdAt: '',
      gwPriority: 0,
    })
  })

  it('also within messages, and gives enums by name', () => {
    expect(Endpoint.create({ sandbox: { cookie: '7' } }).sandbox).toEqual({
      kind: 'UNPLUGGED',
      bootId: '',
      cookie: '7',
      path: '',
    })
    expect(Network.create().state).toBe('STATE_UNSPECIFIED')
  })

  it('leaves out the members of a oneof that are not set', () => {
    const { netns, pid, ...rest } = AttachRequest.create({ network: 'web', pid: 7 })
    expect({ netns, pid }).toEqual({ netns: undefined, pid: 7 })
    expect(rest).not.toHaveProperty('netns')
    expect('applied' in Question.create({ detach: {} })).toBe(false)
  })

  it('does not share what it makes', () => {
    expect(Network.create().labels).not.toBe(Network.create().labels)
  })
})

describe('JSON', () => {
  it('leaves out what is not given, and is what a person would write', () => {
    expect(Network.toJson(network)).toEqual(network)
    expect(Network.toJson({ subnets: [], labels: {}, mtu: undefined })).toEqual({})
  })

  it('goes round', () => {
    const whole = Network.create(network)
    expect(Network.fromJson(Network.toJson(whole))).toEqual(whole)
    expect(Network.fromJson(JSON.parse(JSON.stringify(Network.toJson(whole))))).toEqual(whole)
  })

  it('writes 64-bit numbers as text, and takes both', () => {
    expect(AppliedQuestion.toJson({ revision: 2 ** 40 })).toEqual({ revision: '1099511627776' })
    expect(AppliedQuestion.fromJson({ revision: '1099511627776' }).revision).toBe(2 ** 40)
    expect(AppliedQuestion.fromJson({ revision: 7 }).revision).toBe(7)
  })

  it('passes over fields of a newer version', () => {
    const json = { ...Network.toJson(network), qos: { burst: 5 } }
    expect(Network.fromJson(json)).toEqual(Network.create(network))
  })

  it('keeps a oneof of an empty message', () => {
    expect(Question.toJson({ id: 1, detach: {} })).toEqual({ id: 1, detach: {} })
    expect(Question.fromJson({ id: 1, detach: {} }).detach).toBeDefined()
  })

  it.each([[{ subnets: 'web' }], [{ subnets: ['web'] }], [{ labels: 'a' }]])('refuses %j', (json) => {
    expect(() => Network.fromJson(json)).toThrow(TypeError)
  })
})

describe('bytes', () => {
  it('go round', () => {
    const whole = Network.create(network)
    expect(Network.decode(Network.encode(whole))).toEqual(whole)
    expect(Network.decode(Network.encode(network))).toEqual(whole)
  })

  it('of nothing are an empty message', () => {
    expect(Network.decode(new Uint8Array())).toEqual(Network.create())
  })

  it('carry 64-bit numbers and oneofs', () => {
    const answer: Init<Answer> = { id: 3, applied: { revision: 2 ** 53 - 1 } }
    expect(Answer.decode(Answer.encode(answer))).toEqual({ id: 3, applied: { revision: 2 ** 53 - 1 } })
  })

  it('of a text that ends too early are not taken for a shorter text', () => {
    const bytes = DetachRequest.encode({ endpointId: 'db-2' })
    expect(DetachRequest.decode(bytes).endpointId).toBe('db-2')
    for (let end = 1; end < bytes.length; end++) expect(() => DetachRequest.decode(bytes.subarray(0, end))).toThrow(/./)
  })

  it('that are no text give one all the same', () => {
    expect(DetachRequest.decode(Uint8Array.of(0x0a, 4, 0x61, 0xed, 0xa0, 0x80)).endpointId).toBe('a\ufffd\ufffd\ufffd')
  })

  it('that are no message are refused', () => {
    expect(() => Network.decode(Uint8Array.of(0xff, 0xff))).toThrow(/./)
  })
})

it('messages tell their full name', () => {
  expect(Network.name).toBe('overlay.v1.Network')
})
