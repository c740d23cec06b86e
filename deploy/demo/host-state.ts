/** A host's bridge, VXLAN device, FDB and neighbours of one network, shortened to what matters. */
import type { Host } from '../../test/lab/host.ts'

export async function hostState(host: Host, vni: number): Promise<string> {
  const bridge = `ovbr${vni}`
  const views: readonly [command: string, shorten: (output: string) => readonly string[]][] = [
    [`ip -br address show dev ${bridge}`, lines],
    [`ip -br link show master ${bridge}`, lines],
    [`ip -d link show type vxlan`, vxlanLines],
    [`bridge fdb show br ${bridge}`, (output) => lines(output).filter(isUnicastEntry)],
    [`ip neighbour show dev ${bridge} nud permanent`, lines],
  ]
  const shown = []
  for (const [command, shorten] of views) {
    const output = shorten(await host.exec(command.split(' ')))
    shown.push([`$ ${command}`, ...(output.length > 0 ? output : ['(nothing)'])].join('\n'))
  }
  return shown.join('\n\n')
}

function lines(output: string): readonly string[] {
  return output
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
}

/** Without what the kernel made for itself: multicast groups, and the ports' own addresses. */
function isUnicastEntry(line: string): boolean {
  return !/^(33:33|01:00:5e)/.test(line) && !line.includes('permanent')
}

/** Of each device its name and state, and its VXLAN parameters. */
function vxlanLines(output: string): readonly string[] {
  return lines(output).flatMap((line) => {
    if (/^\d+: /.test(line)) return [line.replace(/ qdisc .*/, '')]
    const parameters = /vxlan id .*?(?= ageing| udpcsum|$)/.exec(line)
    return parameters ? [`    ${parameters[0]}`] : []
  })
}
