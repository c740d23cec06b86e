/** The environment of what the lab starts. */

/**
 * Ours, without what would configure the programs behind the lab's back, and
 * with the directories of nft and ip, which a root shell made by `su` lacks.
 */
export function environment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept = Object.entries(process.env).flatMap(([name, value]): [string, string][] =>
    value === undefined || /^(OVERLAY|ETCD|ETCDCTL)_/.test(name) ? [] : [[name, value]],
  )
  const path = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`
  return { ...Object.fromEntries(kept), PATH: path, LC_ALL: 'C', ...extra }
}
