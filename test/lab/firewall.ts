/** What others do to a host's firewall, and the overlay has to live with. */
import type { Netns } from './netns.ts'

export interface ForwardDrop {
  /** By which of the kernel's two firewalls, and for nftables by which program. */
  readonly by: 'nft' | 'iptables-nft' | 'iptables-legacy'
  /** With the chain DOCKER-USER that Docker makes and FORWARD jumps to first. */
  readonly docker?: boolean
}

/** Sets the policy of FORWARD to DROP, for IPv4 and IPv6, as Docker does. */
export async function dropForwarded(host: Netns, { by, docker = false }: ForwardDrop): Promise<void> {
  if (by === 'nft') {
    await host.exec(['nft', '-f', '-'], { input: ['ip', 'ip6'].map((family) => nftRules(family, docker)).join('') })
    return
  }
  for (const program of [by, by.replace('ip', 'ip6')]) {
    await host.exec([program, '-P', 'FORWARD', 'DROP'])
    if (docker)
      await host.exec(
        `${program} -N DOCKER-USER && ${program} -A DOCKER-USER -j RETURN && ${program} -I FORWARD -j DOCKER-USER`,
      )
  }
}

function nftRules(family: string, docker: boolean): string {
  const user = docker ? 'chain DOCKER-USER { counter return; }' : ''
  const jump = docker ? 'counter jump DOCKER-USER;' : ''
  return `table ${family} filter {
    ${user}
    chain FORWARD { type filter hook forward priority 0; policy drop; ${jump} }
  }
  `
}

/** Turns the host into a router, or not. */
export async function setForwarding(host: Netns, on: boolean): Promise<void> {
  const value = on ? 1 : 0
  await host.exec(
    `echo ${value} > /proc/sys/net/ipv4/ip_forward && echo ${value} > /proc/sys/net/ipv6/conf/all/forwarding`,
  )
}
