/** For kernel specs: a host, which is a fresh network namespace with a kernel object in it, and sandboxes. */
import { randomBytes } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { execa } from 'execa'
import { createLogger } from '../../lib/log.ts'
import { pause } from '../../lib/retry.ts'
import { CLONE_NEWNET, setns } from '../../lib/syscalls.ts'
import type { AnyItem, Difference, Item, ObservedItem } from '../state/item.ts'
import type { Kernel, OperationResult } from './kernel.ts'
import { createLinuxKernel, type LinuxKernelOptions } from './linux.ts'

export const clusterUid = 'c0ffee'

export interface TestNamespace {
  readonly name: string
  readonly path: string
}

export interface TestHost extends TestNamespace {
  readonly kernel: Kernel
  /** Runs the body, and the children that it starts, with the thread in this host's namespace. */
  within<T>(body: () => Promise<T>): Promise<T>
  put(...items: Item[]): Promise<readonly OperationResult[]>
  remove(...items: Item[]): Promise<readonly OperationResult[]>
  /** What is observed, an item a line. */
  state(): Promise<string>
}

/** Everything that a spec made, to be removed at its end. */
export class TestHosts {
  readonly #home = openSync('/proc/thread-self/ns/net', 'r')
  readonly #namespaces: string[] = []
  readonly #kernels: Kernel[] = []
  readonly #closed = new AbortController()
  /** Aborts when they are closed. */
  readonly signal = this.#closed.signal

  async namespace(): Promise<TestNamespace> {
    const name = `ovt-${randomBytes(5).toString('hex')}`
    await execa('ip', ['netns', 'add', name])
    this.#namespaces.push(name)
    return { name, path: `/run/netns/${name}` }
  }

  async host(options: Pick<LinuxKernelOptions, 'sysctls'> = {}): Promise<TestHost> {
    const namespace = await this.namespace()
    await execa('ip', ['-n', namespace.name, 'link', 'set', 'lo', 'up'])
    const within = <T>(body: () => Promise<T>) => this.#within(namespace.path, body)
    const kernel = await within(async () =>
      createLinuxKernel({ clusterUid, changesInterval: 20, log: createLogger('spec', 'silent'), ...options }),
    )
    this.#kernels.push(kernel)
    const apply = (what: 'put' | 'delete', items: readonly Item[]) =>
      within(() => kernel.apply(items.map((item) => ({ do: what, item }))))
    return {
      ...namespace,
      kernel,
      within,
      put: (...items) => apply('put', items),
      remove: (...items) => apply('delete', items),
      state: async () => stateText(await within(() => kernel.observe())),
    }
  }

  async delete({ name }: TestNamespace): Promise<void> {
    this.#namespaces.splice(this.#namespaces.indexOf(name), 1)
    await execa('ip', ['netns', 'del', name])
  }

  async close(): Promise<void> {
    this.#closed.abort()
    for (const kernel of this.#kernels) kernel.close()
    for (const name of this.#namespaces) await execa('ip', ['netns', 'del', name], { reject: false })
    closeSync(this.#home)
  }

  async #within<T>(path: string, body: () => Promise<T>): Promise<T> {
    const descriptor = openSync(path, 'r')
    setns(descriptor, CLONE_NEWNET)
    closeSync(descriptor)
    try {
      return await body()
    } finally {
      setns(this.#home, CLONE_NEWNET)
    }
  }
}

/** Standard output of a command in a namespace. */
export async function run({ path }: TestNamespace, command: string): Promise<string> {
  const { stdout } = await execa('nsenter', [`--net=${path}`, 'sh', '-c', command])
  return stdout
}

/** Whether an address answers a ping. */
export async function answers(namespace: TestNamespace, address: string): Promise<boolean> {
  const command = ['-c', '1', '-W', '1', address]
  const { exitCode } = await execa('nsenter', [`--net=${namespace.path}`, 'ping', ...command], { reject: false })
  return exitCode === 0
}

/** Waits for a condition, ten seconds at most. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 10_000
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('the condition did not come true in 10 s')
    await pause(20)
  }
}

export function stateText(items: readonly ObservedItem[]): string {
  return items.map(itemText).toSorted().join('\n')
}

/** For example `learning 1 not 0`. */
export function faultText({ what, wanted, found }: Difference): string {
  return [what, found, ...(wanted ? ['not', wanted] : [])].filter(Boolean).join(' ')
}

/** Of what is inside a sandbox, what can be seen from outside. */
export function itemText(item: AnyItem): string {
  const fields = Object.entries(item).filter(([field]) => !['kind', 'inside', 'faults'].includes(field))
  const faults = 'faults' in item && item.faults ? [`faults=${item.faults.map(faultText).join(', ')}`] : []
  const text = [item.kind, ...fields.map(([field, value]) => `${field}=${String(value)}`), ...faults].join(' ')
  if (item.kind !== 'veth' || !item.inside) return text
  const mtu = 'mtu' in item.inside ? item.inside.mtu : item.mtu
  return `${text} inside=${[mtu, ...item.inside.addresses].join(',')}`
}
