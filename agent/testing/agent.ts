/** A whole agent for tests: the real store, its own state directory, a fake kernel. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { type Ip, parseIp } from '../../lib/ip.ts'
import { AttachRequest, type AttachResponse, DetachRequest, type DetachResponse, type Init } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import { createAgent } from '../agent.ts'
import type { Agent } from '../agent-parts.ts'
import { attach } from '../endpoint/attach.ts'
import type { EndpointParts } from '../endpoint/parts.ts'
import { openStateDir } from '../node/state-dir.ts'
import { carrierOf } from '../state/item.ts'
import { silent, type TestCluster } from './cluster.ts'
import type { Between } from './crashing.ts'
import { SlowKernel } from './kernel-state.ts'

export interface TestAgent {
  readonly agent: Agent
  readonly kernel: SlowKernel
  readonly store: Store
  readonly parts: EndpointParts
  /** Makes the sandbox /run/netns/NAME, if it is not there, and attaches it to `web`, unless the request says otherwise. */
  readonly attach: (name: string, request?: Init<AttachRequest>, signal?: AbortSignal) => Promise<AttachResponse>
  readonly detach: (request: Init<DetachRequest>) => Promise<DetachResponse>
  /** What is in the kernel, link by link; the rest counted. */
  readonly links: () => readonly string[]
  readonly until: (condition: () => boolean | Promise<boolean>, milliseconds?: number) => Promise<void>
  /** As `kill -9` would; kernel and state directory stay for the next run. */
  readonly kill: () => Promise<void>
  /** An orderly end. */
  readonly stop: () => Promise<void>
}

/** What outlives an agent: the host. */
export interface TestHost {
  readonly n: number
  readonly directory: string
  readonly kernel: SlowKernel
  readonly remove: () => void
  /** Makes a sandbox at /run/netns/NAME, in the place of what is there. @returns the path */
  readonly makeSandbox: (name: string) => string
  /** As `ip netns del`: the sandbox goes, and its interfaces with it. The kernel tells. */
  readonly removeSandbox: (name: string) => void
}

const nothing: Between = { store: (store) => store, kernel: (kernel) => kernel }

/** The host with VTEP address 192.0.2.n. */
export function createHost(n: number): TestHost {
  const directory = mkdtempSync(join(tmpdir(), 'overlay-agent-'))
  const kernel = new SlowKernel()
  const address = parseIp(`192.0.2.${n}`)
  kernel.underlayInterfaces = [{ name: 'eth0', mtu: 1500, addresses: [address] }]
  kernel.source = () => address
  let cookies = 0
  return {
    n,
    directory,
    kernel,
    remove: () => rmSync(directory, { recursive: true, force: true }),
    makeSandbox(name) {
      const path = pathOf(name)
      kernel.sandboxes.set(path, `${n}${++cookies}`)
      return path
    },
    removeSandbox(name) {
      const path = pathOf(name)
      kernel.sandboxes.delete(path)
      for (const item of kernel.items.values())
        if (item.kind === 'veth' && item.inside && 'netns' in item.inside && item.inside.netns === path)
          removeLink(kernel, item.name)
      kernel.change({ ours: true })
    },
  }
}

/** As somebody else would: what is on it goes along. */
export function removeLink(kernel: SlowKernel, name: string): void {
  for (const [id, item] of kernel.items) if (carrierOf(item) === name) kernel.items.delete(id)
  kernel.items.delete(`link ${name}`)
}

function pathOf(name: string): string {
  return name.startsWith('/') ? name : `/run/netns/${name}`
}

export interface AgentWish {
  readonly bootId?: string
  /** Milliseconds. */
  readonly callTimeout?: number
  /** Seconds. */
  readonly sandboxGrace?: number
  /** Believes a store that went back. */
  readonly resync?: boolean
  readonly vtepAddress?: Ip
  readonly vtepInterface?: string
  /** What stands between this run of the agent and its surroundings (see crashing.ts). */
  readonly between?: Between
}

/** Starts the host's agent; resolves when its first audit is done. */
export async function startAgent(cluster: TestCluster, host: TestHost, wish: AgentWish = {}): Promise<TestAgent> {
  const test = createTestAgent(cluster, host, wish)
  try {
    await test.agent.run()
  } catch (error) {
    await test.kill()
    throw error
  }
  return test
}

/** The host's agent, not started yet. */
export function createTestAgent(cluster: TestCluster, host: TestHost, wish: AgentWish): TestAgent {
  const { n, directory, kernel } = host
  const {
    bootId = `boot-of-${n}`,
    callTimeout = 2_000,
    sandboxGrace = 60,
    resync = false,
    between = nothing,
    vtepAddress,
    vtepInterface,
  } = wish
  const store = between.store(cluster.connect(callTimeout))
  const stateDir = openStateDir(directory)
  const stopped = new AbortController()
  const agent = createAgent({
    options: {
      etcd: [cluster.url],
      node: `host-${n}`,
      vxlanPort: 4789,
      socket: join(directory, 'agent.sock'),
      stateDir: directory,
      sessionTtl: 30,
      sandboxGrace,
      resync,
      vtepAddress,
      vtepInterface,
      prefix: cluster.prefix,
      tls: undefined,
      etcdTls: undefined,
      purge: false,
      logLevel: 'silent',
    },
    store,
    stateDir,
    identity: { uid: stateDir.nodeUid, bootId, machineId: 'm', version: '1' },
    createKernel: () => between.kernel(kernel),
    readResolvers: () => [],
    signal: stopped.signal,
    log: silent,
  })
  const kill = async () => {
    await store.close()
    stopped.abort()
  }
  return {
    agent,
    kernel,
    store,
    get parts() {
      return agent.parts()
    },
    attach(name, request = {}, signal = new AbortController().signal) {
      const netns = pathOf(name)
      if (!kernel.sandboxes.has(netns)) host.makeSandbox(name)
      return attach(agent.parts(), AttachRequest.create({ network: 'web', netns, ...request }), signal)
    },
    detach: (request) => agent.detach(DetachRequest.create(request)),
    links: () => [...kernel.items.keys()].filter((id) => id.startsWith('link ')).toSorted(),
    async until(condition, milliseconds = 5_000) {
      await vi.waitUntil(condition, { timeout: milliseconds, interval: 5 })
    },
    kill,
    async stop() {
      stopped.abort()
      await agent.close()
      await store.close()
    },
  }
}
