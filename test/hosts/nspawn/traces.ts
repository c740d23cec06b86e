/** What there is of ours on a host: what a purge must leave none of. */
import type { NspawnHost } from './host.ts'

export interface Traces {
  readonly kernel: readonly string[]
  readonly files: readonly string[]
  readonly accounts: readonly string[]
  readonly units: readonly string[]
  readonly processes: readonly string[]
}

export async function traces(host: NspawnHost): Promise<Traces> {
  const lines = async (command: string) => (await host.try(command)).stdout.split('\n').filter(Boolean)
  const directories = '/etc /usr /lib /var /run /opt /root /home'
  // dpkg's log and systemd's journal tell of what was; the package that a test put there is not ours to remove.
  const notOurs = "-path /var/log -prune -o -path /run/log -prune -o -path '*/overlay.deb' -prune -o"
  // Of the kernel's own file system of that name: its module, and tools for it.
  const names = "( -name 'overlay*' -o -name '*overlayctl*' ) -not -name 'overlayfs*'"
  return {
    kernel: [
      ...(await lines("ip -o link | grep -E ': ov|alias overlay'")),
      ...(await lines('nft list tables | grep -w overlay')),
      ...(await lines("nft list ruleset | grep -E 'comment \"overlay'")),
      ...(await lines('ip -d route show table all | grep -w overlay')),
    ],
    files: await lines(
      `find ${directories} -xdev ${notOurs} \\( ${names.replaceAll('(', '\\(').replaceAll(')', '\\)')} \\) -print`,
    ),
    accounts: await lines('grep -hE "^overlay" /etc/passwd /etc/group /etc/shadow /etc/gshadow'),
    units: await lines(
      "systemctl list-units --all --no-legend 'overlay*'; systemctl list-unit-files --no-legend 'overlay*'",
    ),
    processes: await lines('cat /proc/*/comm | grep -E "^(overlay|etcd)"'),
  }
}
