import { describe, expect, it } from 'vitest'
import { parseEtcdUrls } from './endpoints.ts'

describe('parseEtcdUrls', () => {
  it.each([
    ['http://127.0.0.1:2379', false, 'http://127.0.0.1:2379'],
    ['127.0.0.1:2379', false, 'http://127.0.0.1:2379'],
    ['127.0.0.1:2379', true, 'https://127.0.0.1:2379'],
    ['etcd-1', false, 'http://etcd-1:2379'],
    ['http://etcd-1/', false, 'http://etcd-1:2379'],
    ['http://etcd-1:80', false, 'http://etcd-1:80'],
    ['https://etcd-1:443', false, 'https://etcd-1:443'],
    ['http://[fd00::1]:2379', false, 'http://[fd00::1]:2379'],
    [' http://10.0.0.1:4001 ', false, 'http://10.0.0.1:4001'],
  ])('takes %s (TLS %s)', (text, tls, url) => {
    const [endpoint] = parseEtcdUrls([text], tls)
    expect(endpoint).toEqual({ url, target: url.replace(/^https?:\/\//, ''), secure: url.startsWith('https') })
  })

  it.each([
    ['', 'no URL'],
    ['http://', 'no URL'],
    ['ftp://10.0.0.1', 'only http and https'],
    ['http://10.0.0.1:99999', 'no URL'],
    ['http://10.0.0.1:2379/v3', 'goes on after the port'],
    ['http://me:secret@10.0.0.1', 'a user in the URL'],
    ['ten zero', 'no URL'],
  ])('refuses %j', (text, why) => {
    expect(() => parseEtcdUrls([text], false)).toThrow(why)
  })

  it('refuses http with TLS files, and none at all', () => {
    expect(() => parseEtcdUrls(['http://10.0.0.1:2379'], true)).toThrow('says http')
    expect(() => parseEtcdUrls([], false)).toThrow('no etcd URL')
  })

  it('counts a member that is named twice once', () => {
    expect(parseEtcdUrls(['a:2379', 'http://a'], false)).toHaveLength(1)
  })
})
