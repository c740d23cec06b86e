import { afterAll, beforeAll, test } from 'vitest'
import { type Drift, type DriftHost, driftHost, names } from './test-drift.ts'
import { TestHosts } from './test-host.ts'

let hosts: TestHosts
let drift: DriftHost
const { bridge } = names

beforeAll(async () => {
  hosts = new TestHosts()
  drift = await driftHost(hosts)
})
afterAll(() => hosts.close())

const table: readonly Drift[] = [
  [
    'our table is deleted',
    'nft delete table inet overlay',
    [`bridge-pass ${bridge}: table inet overlay not ${bridge}`, 'isolation missing'],
  ],
  ['our table sleeps', "nft add table inet overlay '{ flags dormant; }'", [/^isolation: flags/]],
  [
    'a policy is changed',
    "nft add chain inet overlay forward '{ policy drop; }'",
    [
      'isolation: chain forward filter hook forward priority 0 policy drop not filter hook forward priority 0 policy accept',
    ],
  ],
  [
    'a rule is changed in place',
    'nft replace rule inet overlay forward handle $(nft -a list chain inet overlay forward | sed -n "s/.*leaves an overlay.* handle //p") iifname \'"ovbr*"\' accept comment \'"leaves an overlay"\'',
    [/^isolation: rule of forward not leaves an overlay; rule of forward .*accept/],
  ],
  ['a chain is flushed', 'nft flush chain inet overlay input', [/^isolation: rule of input not .*; rule of input not/]],
  [
    'a chain and a pass are added',
    `nft add chain inet overlay mine; nft add element inet overlay passes '{ "${bridge}" . "eth9" }'`,
    [`isolation: chain mine; set passes ${bridge} . eth9`],
  ],
  [
    'a pass is gone',
    `nft delete element inet overlay passes '{ "${bridge}" . "${bridge}" }'`,
    [`bridge-pass ${bridge}: table inet overlay not ${bridge}`],
  ],
  [
    'our rule in a foreign chain is flushed',
    'nft flush chain ip fw forward',
    [`bridge-pass ${bridge}: rule in ip fw forward not accept`],
  ],
  [
    'our rule in a foreign chain is changed',
    `nft replace rule ip fw forward handle $(nft -a list chain ip fw forward | sed -n "s/.*overlay.* handle //p") iifname ${bridge} oifname ${bridge} drop comment overlay`,
    [`bridge-pass ${bridge}: rule in ip fw forward another not accept`],
  ],
]

for (const [what, command, lines] of table)
  test(`${what}: told and mended`, () => drift.holds(drift.host, [what, command, lines, 'firewall']))
