/** A host of the lab: a namespace on the underlay, with an agent. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Endpoint, type JsonObject } from '../../proto/index.ts'
import { createAgent, type LabAgent } from './agent.ts'
import type { Netns } from './netns.ts'
import { type Overlayctl, overlayctlIn } from './overlayctl.ts'
import { underlayInterface } from './underlay.ts'

export interface Host extends Netns, Overlayctl {
  /** Its VTEP address on the underlay. */
  readonly address: string
  /** The underlay's interface in it. */
  readonly underlay: string
  /** Where its state directory, socket and logs are. */
  readonly home: string
  readonly agent: LabAgent
  /**
   * Attaches a sandbox through this host's agent, by overlayctl.
   * @throws Error with what overlayctl says.
   */
  attach(network: string, sandbox: Netns, ...flags: readonly string[]): Promise<Endpoint>
}

export interface HostSpec {
  readonly netns: Netns
  readonly directory: string
  readonly address: string
  readonly etcd: string
  /** HOST:PORT. */
  readonly controller: string
}

export function createHost({ netns, directory, address, etcd, controller }: HostSpec): Host {
  const home = join(directory, netns.name)
  mkdirSync(home)
  const agent = createAgent({ netns, directory, home, vtep: address, etcd })
  const cli = overlayctlIn(netns, { OVERLAY_CONTROLLER: controller, OVERLAY_AGENT: agent.socket })
  return {
    ...netns,
    ...cli,
    address,
    underlay: underlayInterface,
    home,
    agent,
    async attach(network, sandbox, ...flags) {
      const json = await cli.overlayctlJson<JsonObject>('attach', network, '--netns', sandbox.path, ...flags)
      return Endpoint.fromJson(json)
    },
  }
}
