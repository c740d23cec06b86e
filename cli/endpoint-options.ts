/** What attach and run may ask of one endpoint. */
import type { Command } from 'commander'
import { texts } from './arguments.ts'

/** Values as they were written: what is wrong with them is told with the rest of the request. */
export interface EndpointOptions {
  readonly name?: string
  readonly ip?: readonly string[]
  readonly ip6?: string
  readonly mac?: string
  readonly ifname?: string
  readonly gwPriority?: string
}

export function withEndpointOptions(command: Command): Command {
  return command
    .option('--name <name>', "the endpoint's name, unique in the network")
    .option('--ip <address>', 'an address to have, one of each family (repeatable)', texts)
    .option('--ip6 <address>', 'an IPv6 address to have')
    .option('--mac <address>', "the interface's MAC (default: derived from the endpoint's id)")
    .option('--ifname <name>', "the interface's name inside (default: the first of eth0, eth1… that is free)")
    .option(
      '--gw-priority <n>',
      'of the networks of a sandbox, the one with the highest has the default route, of equal ones the first; never an internal one (-500 to 500, default: 0)',
    )
}
