import { expect, it } from 'vitest'
import { AttachRequest, type Init } from '../../proto/index.ts'
import type { EndpointOptions } from '../endpoint-options.ts'
import { runRequests } from './run.ts'

it.each<[readonly string[], EndpointOptions, readonly Init<AttachRequest>[]]>([
  [['web'], {}, [{ network: 'web' }]],
  [['web,ip=10.0.9.7'], {}, [{ network: 'web', addresses: ['10.0.9.7'] }]],
  [['web,ip=10.0.9.7,ip=fd00::7'], {}, [{ network: 'web', addresses: ['10.0.9.7', 'fd00::7'] }]],
  [
    ['web,ip=10.0.9.7,ip6=fd00::7,mac=02:42:0a:00:09:07,name=db,gw-priority=-7,ifname=ov0'],
    {},
    [
      {
        network: 'web',
        addresses: ['10.0.9.7', 'fd00::7'],
        mac: '02:42:0a:00:09:07',
        name: 'db',
        gwPriority: -7,
        ifname: 'ov0',
      },
    ],
  ],
  [['web,ifname=a=b'], {}, [{ network: 'web', ifname: 'a=b' }]],
  // Options beside one network are its own.
  [
    ['web,ip=10.0.9.7,name=db'],
    { ip: ['fd00::7'], mac: '02:42:0a:00:09:07', gwPriority: '0' },
    [{ network: 'web', addresses: ['10.0.9.7', 'fd00::7'], name: 'db', mac: '02:42:0a:00:09:07' }],
  ],
  [['web,name=db', 'backend'], {}, [{ network: 'web', name: 'db' }, { network: 'backend' }]],
])('--network %j with %j', (networks, beside, requests) => {
  expect(runRequests(networks, beside)).toEqual(requests.map((request) => AttachRequest.create(request)))
})

const begin = "begin with the network's name (for example web,ip=10.0.9.7)"
const known = 'name=, ip=, ip6=, mac=, ifname=, gw-priority='

it.each<[string, string]>([
  ['', begin],
  [',ip=10.0.9.7', begin],
  ['name=web', begin],
  ['web,', `"" is none of ${known}`],
  ['web,ip', `"ip" is none of ${known}`],
  ['web,alias=db', `"alias=db" is none of ${known}`],
  ['web,__proto__=db', `"__proto__=db" is none of ${known}`],
  ['web,ip=', '--ip: "" is not an IP address (for example 10.0.9.7 or fd00::7)'],
  ['web,ip6=10.0.9.7', '--ip6: "10.0.9.7" is not an IPv6 address (for example fd00::7)'],
  ['web,mac=1', '--mac: "1" is not a MAC address (for example 02:42:0a:00:09:07)'],
  ['web,name=', '--name: must not be empty'],
  ['web,gw-priority=high', '--gw-priority: "high" is not a whole number in range: from -500 to 500'],
  ['web,name=a,name=b', 'name is given twice'],
  ['a/b,ip=10.0.9.7', '--network: "a/b" is not a name'],
])('--network %s is refused', (text, why) => {
  expect(() => runRequests([text], {})).toThrow(`--network "${text}": ${why}`)
})

it.each<[readonly string[], EndpointOptions, string]>([
  [
    ['web', 'backend'],
    { ip: ['10.0.9.8'] },
    '--ip is for one network, and there are 2: write it behind the network that it is for, as in --network web,ip=…',
  ],
  [['web,name=db'], { name: 'db' }, '--name is given twice, also behind --network web: give one of them'],
  [
    ['web'],
    { ip: ['10.0.9.7', '10.0.9.8'] },
    '--ip: an endpoint has at most one IPv4 and one IPv6 address, not 10.0.9.7, 10.0.9.8',
  ],
  [['web', 'web'], {}, '--network web is given twice: give each network once'],
])('--network %j with %j is refused', (networks, beside, message) => {
  expect(() => runRequests(networks, beside)).toThrow(message)
})

it('tells all faults at once', () => {
  expect(() => runRequests(['web,ip=x,mac=y', '', 'db,ifname=a/b'], { name: 'n' })).toThrow(
    /"web,ip=x,mac=y": --ip: "x".*; --network "web,ip=x,mac=y": --mac: "y".*ifname.*"a\/b"/,
  )
})
