/** What the hosts' kernels have, beside what the store says they should: seen with `ip`, not by the code under test. */
import type { Endpoint } from '../../proto/index.ts'
import type { Lab } from '../lab/lab.ts'
import type { Netns } from '../lab/netns.ts'
import { without } from './differences.ts'
import type { ClusterState } from './state.ts'

interface LinkJson {
  readonly ifname: string
  readonly ifalias?: string
  readonly addr_info?: readonly { readonly local?: string; readonly scope: string }[]
}

/** Everything that is too much, or missing, on the hosts and in the sandboxes. */
export async function hostProblems({ hosts, ctl }: Lab, state: ClusterState): Promise<readonly string[]> {
  const [ofHosts, ofSandboxes] = await Promise.all([
    Promise.all(hosts.map((host) => deviceProblems(host, state))),
    sandboxProblems(ctl, [...state.endpoints.values()]),
  ])
  return [...ofHosts.flat(), ...ofSandboxes]
}

async function deviceProblems(host: Netns, { endpoints, networks }: ClusterState): Promise<readonly string[]> {
  const links = JSON.parse(await host.exec('ip -j link show')) as readonly LinkJson[]
  const here = [...endpoints.values()].filter(({ node }) => node === host.name)
  const vnis = [...new Set(here.map(({ network }) => network))].flatMap((name) => networks.get(name)?.vni ?? [])
  const wanted = [
    ...vnis.flatMap((vni) => [`ovbr${vni}`, `ovvx${vni}`]),
    ...here.map(({ network, id }) => `ove… of ${network}/${id}`),
  ]
  const found = links
    .filter(({ ifname, ifalias }) => /^ov(br|vx|e)/.test(ifname) || ifalias?.startsWith('overlay/'))
    .map(({ ifname, ifalias = '' }) =>
      ifname.startsWith('ove') ? `ove… of ${ifalias.split('/').slice(2).join('/') || ifname}` : ifname,
    )
  return [
    ...without(wanted, found).map((device) => `${host.name} lacks ${device}`),
    ...without(found, wanted).map((device) => `${host.name} has ${device}, which belongs to nothing in the store`),
  ]
}

/** Each sandbox has the addresses of its endpoints, on their interfaces, and no others. */
async function sandboxProblems(anywhere: Netns, endpoints: readonly Endpoint[]): Promise<readonly string[]> {
  const paths = [...new Set(endpoints.flatMap(({ sandbox }) => sandbox?.path ?? []))]
  if (paths.length === 0) return []
  const lines = paths.map((path) => `nsenter --net=${path} ip -j address show 2>/dev/null || echo '[]'`)
  // All that is said of a sandbox is one line.
  const output = await anywhere.exec(['sh', '-c', lines.join('\n')])
  const texts = output.split(/\n(?=\[)/)
  return paths.flatMap((path, n) => {
    const links = JSON.parse(texts[n] ?? '[]') as readonly LinkJson[]
    const found = links.flatMap(({ ifname, addr_info = [] }) =>
      addr_info.filter(({ scope }) => scope === 'global').map(({ local }) => `${ifname} ${local}`),
    )
    const wanted = endpoints
      .filter(({ sandbox }) => sandbox?.path === path)
      .flatMap(({ ifname, addresses }) => addresses.map((address) => `${ifname} ${address}`))
    return [
      ...without(wanted, found).map((address) => `${path} lacks ${address}`),
      ...without(found, wanted).map((address) => `${path} has ${address}, which is nobody's`),
    ]
  })
}
