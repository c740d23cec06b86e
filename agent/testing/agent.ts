/** A whole agent for tests: the real store, its own state directory, a fake kernel. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { AttachRequest, type AttachResponse, DetachRequest, type DetachResponse, type Init } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import { type Agent, createAgent } from '../agent.ts'
import { attach } from '../endpoint/attach.ts'
import type { EndpointParts } from '../endpoint/parts.ts'
import { openStateDir } from '../node/state-dir.ts'
import { silent, type TestCluster } from './cluster.ts'
import type { Between } from './crashing.ts'
import { SlowKernel } from './kernel-state.ts'

export interface TestAgent {
  readonly agent: Agent
  readonly kernel: SlowKernel
  readonly store: Store
  readonly parts: EndpointParts
  /** Makes the sandbox /run/netns/NAME and attaches it to `web`, unless the request says otherwise. */
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
}

const nothing: Between = { store: (store) => store, kernel: (kernel) => kernel }

/** The host with VTEP address 192.0.2.n. */
export function createHost(n: number): TestHost {
  const directory = mkdtempSync(join(tmpdir(), 'overlay-agent-'))
  const kernel = new SlowKernel()
  const address = parseIp(`192.0.2.${n}`)
  kernel.underlayInterfaces = [{ name: 'eth0', mtu: 1500, addresses: [address] }]
  kernel.source = () => address
  return { n, directory, kernel, remove: () => rmSync(directory, { recursive: true, force: true }) }
}

export interface AgentWish {
  readonly bootId?: string
  /** Milliseconds. */
  readonly callTimeout?: number
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
export function createTestAgent(cluster: TestCluster, { n, directory, kernel }: TestHost, wish: AgentWish): TestAgent {
  const { bootId = `boot-of-${n}`, callTimeout = 2_000, between = nothing } = wish
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
      prefix: cluster.prefix,
      tls: undefined,
      logLevel: 'silent',
    },
    store,
    stateDir,
    identity: { uid: stateDir.nodeUid, bootId, machineId: 'm', version: '1' },
    createKernel: () => between.kernel(kernel),
    readResolvers: () => [],
    monitorHostRoutes: () => undefined,
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
      const netns = `/run/netns/${name}`
      if (!kernel.sandboxes.has(netns)) kernel.sandboxes.set(netns, `${n}${kernel.sandboxes.size + 1}`)
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
