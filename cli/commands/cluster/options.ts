/** Options that several of the cluster's commands take. */
import { type Command, InvalidArgumentError } from 'commander'
import { parseAddress, parseText } from '../../arguments.ts'

export function addHostOptions(command: Command): Command {
  return command
    .option('--advertise <address>', 'the address of this host that the others dial', parseAddress)
    .option('--name <name>', "the node's name (default: the host's)", parseText)
}

export function addVtepOptions(command: Command): Command {
  return command
    .option('--vtep-address <address>', 'where VXLAN packets go to (default: as --advertise)', parseAddress)
    .option('--vtep-interface <name>', 'the interface whose address that is', parseText)
}

export function addEtcdFileOptions(command: Command): Command {
  return command
    .option('--etcd-ca <file>', 'certificate of the authority of an etcd that somebody else runs', parseText)
    .option('--etcd-cert <file>', 'certificate for it', parseText)
    .option('--etcd-key <file>', 'key of that certificate', parseText)
}

/** @throws InvalidArgumentError */
export function parseWhole(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`"${text}" is not a whole number from ${least} to ${most}`)
    return value
  }
}

const unitSeconds = { s: 1, m: 60, h: 3_600, d: 86_400 } as const

/** `3600`, `90m`, `1h`, `7d`: whole seconds, up to 30 days. */
export function parseDuration(text: string): number {
  const [, count, unit = 's'] = /^(\d+)([smhd]?)$/.exec(text) ?? []
  const seconds = Number(count) * unitSeconds[(unit || 's') as keyof typeof unitSeconds]
  if (count === undefined || seconds < 1 || seconds > 30 * unitSeconds.d)
    throw new InvalidArgumentError(`"${text}" is not a time of 1 s to 30 d (for example 90m, 1h or 7d)`)
  return seconds
}
