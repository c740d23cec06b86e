/** All that the overlay could leave on a host and in the store, as text, to compare before and after. */
import type { Etcd } from '../lab/etcd.ts'
import type { Netns } from '../lab/netns.ts'
import { underlayInterface } from '../lab/underlay.ts'
import { keysBelow } from './store-content.ts'

/** Every firewall rule, without counters; legacy tables only where they are loaded: asking would load them. */
export async function firewallText(host: Netns): Promise<string> {
  return host.exec(`nft -s list ruleset
    for version in '' 6; do
      if grep -qs filter /proc/self/net/ip\${version}_tables_names; then ip\${version}tables-legacy -S; fi
    done`)
}

/** Devices, addresses, routes, entries and rules; without the underlay's own neighbours, which come and go. */
export async function kernelText(host: Netns): Promise<string> {
  const neighbours = `ip neighbour | grep -v ' dev ${underlayInterface} '`
  const kernel = await host.exec(
    `ip -d link; ip address; ip route show table all; ip -6 route show table all; bridge fdb; ${neighbours}; true`,
  )
  return `${kernel}\n${await firewallText(host)}`
}

/** Every key with its value, but for `vni-cursor`: it keeps a VNI from being used again at once. */
export async function storeText(etcd: Etcd): Promise<string> {
  const keys = await keysBelow(etcd)
  return keys
    .filter(({ path }) => path !== 'vni-cursor')
    .map(({ path, value }) => `${path} ${JSON.stringify(value)}\n`)
    .join('')
}
