/** Two small scripts in the demo's directory, so that its inside can be reached from any shell. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from '../../test/lab/lab.ts'
import { netnsPath } from '../../test/lab/netns-name.ts'
import { program } from '../../test/lab/program-path.ts'

export interface Wrappers {
  /** Runs a command on a host or in a workload. */
  readonly on: string
  /** overlayctl on h1. */
  readonly overlayctl: string
}

export function writeWrappers(lab: Lab): Wrappers {
  const on = join(lab.directory, 'on')
  const overlayctl = join(lab.directory, 'overlayctl')
  write(
    on,
    `# Runs a command on a host (h1, h2...), in a workload (a1, a2...), or beside etcd (ctl).
if [ $# -lt 2 ]; then
  echo "Usage: $0 NAME COMMAND..." >&2
  exit 2
fi
name=$1
shift
path=${netnsPath(lab.id, '$name')}
[ -e "$path" ] || path=${netnsPath(lab.id, 's-$name')}
[ -e "$path" ] || { echo "$0: there is no $name in the demo" >&2; exit 2; }
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin exec nsenter --net="$path" -- "$@"`,
  )
  write(
    overlayctl,
    `# overlayctl on h1, or on another host: HOST=h2 ${overlayctl} ...
host=\${HOST:-h1}
OVERLAY_CONTROLLER=${lab.controllers[0]?.address ?? ''}
OVERLAY_AGENT=${quote(lab.host('h1').agent.socket).replace('/h1/', `/'"$host"'/`)}
export OVERLAY_CONTROLLER OVERLAY_AGENT
exec ${quote(on)} "$host" ${quote(process.execPath)} ${quote(program('overlayctl.cjs'))} "$@"`,
  )
  return { on, overlayctl }
}

function write(path: string, lines: string): void {
  writeFileSync(path, `#!/bin/sh\n${lines}\n`, { mode: 0o755 })
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
