import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startCapture } from './capture.ts'
import { dropForwarded } from './firewall.ts'
import { createLab, type LabOptions } from './lab.ts'
import { ping, pingMatrix, startPinging } from './ping.ts'
import { identityOf, isAlive } from './process-identity.ts'
import { labDirectory } from './record.ts'
import { namespacesOf, reap } from './residue.ts'

async function lab(options: LabOptions) {
  const made = await createLab(options)
  onTestFinished(() => made.down())
  return made
}

const links = () => readdirSync('/sys/class/net')

test('the hosts reach each other and ctl, and the machine sees nothing of it', async () => {
  const before = links()
  const { hosts, ctl } = await lab({ hosts: 3 })
  const members = [
    ...hosts.map((host) => ({ sandbox: host, address: host.address })),
    { sandbox: ctl, address: '192.168.200.254' },
  ]
  expect(await pingMatrix(members)).toEqual(members.map(() => members.map(() => true)))
  expect(links()).toEqual(before)
})

test('an IPv6 underlay with jumbo frames', async () => {
  const made = await lab({ hosts: 2, ipv6Underlay: true, underlayMtu: 9000 })
  expect(
    await made.host(1).exec(['ping', '-M', 'do', '-s', '8952', '-c', '1', '-W', '1', made.host(2).address]),
  ).toContain(' 0% packet loss')
})

test('down leaves nothing, whatever is running', async () => {
  const made = await lab({ hosts: 1 })
  await made.etcd.start()
  await made.etcd.freeze()
  const sandbox = await made.sandbox('job')
  const job = await sandbox.spawn('job', 'sleep 1000 & sleep 1000')
  const processes = [identityOf(made.etcd.pid), identityOf(job.pid)]
  expect(processes.map(isAlive)).toEqual([true, true])
  await made.down()
  expect(processes.map(isAlive)).toEqual([false, false])
  expect(namespacesOf(made.id)).toEqual([])
  expect(existsSync(made.directory)).toBe(false)
  await made.down()
})

test('two labs at once do not meet', async () => {
  const [one, other] = await Promise.all([lab({ hosts: 1 }), lab({ hosts: 2 })])
  expect(await ping(one.host('h1'), other.host('h2').address, 0.2)).toBe(false)
  await one.down()
  expect(await ping(other.host(1), other.host(2).address)).toBe(true)
})

test('a lab that cannot be made leaves nothing, and not the lab of that name either', async () => {
  const { id } = await lab({ hosts: 1 })
  await expect(createLab({ name: id, hosts: 1 })).rejects.toThrow('is there already')
  expect(namespacesOf(id)).toHaveLength(3)
  await expect(createLab({ name: `${id}x`, hosts: 1, underlayMtu: 1 })).rejects.toThrow()
  expect([namespacesOf(`${id}x`), existsSync(labDirectory(`${id}x`))]).toEqual([[], false])
})

test('what a killed run left is reaped, and only that', async () => {
  const alive = await lab({ hosts: 1 })
  const script = `
    const { createLab } = await import(${JSON.stringify(join(import.meta.dirname, 'lab.ts'))})
    const lab = await createLab({ hosts: 1 })
    const sandbox = await lab.sandbox('job')
    const { pid } = await sandbox.spawn('job', ['sleep', '1000'])
    console.log(JSON.stringify({ id: lab.id, pid }))
    setInterval(() => undefined, 1000)`
  const creator = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void creator.kill('SIGKILL'))
  const [line] = await once(creator.stdout, 'data')
  const { id, pid } = JSON.parse(String(line)) as { id: string; pid: number }
  const job = identityOf(pid)
  expect(reap()).not.toContain(id)
  creator.kill('SIGKILL')
  await once(creator, 'exit')
  expect(isAlive(job)).toBe(true)
  // A lab that is being made beside us may have been quicker.
  expect(reap()).not.toContain(alive.id)
  expect([isAlive(job), namespacesOf(id), existsSync(labDirectory(id))]).toEqual([false, [], false])
  expect(await ping(alive.host(1), '192.168.200.254')).toBe(true)
})

test('captures hold all that has passed; pings are counted', async () => {
  const made = await lab({ hosts: 2 })
  const [h1, h2] = [made.host(1), made.host(2)]
  const capture = await startCapture(h1, made.directory, { filter: 'icmp' })
  const pinging = await startPinging(h1, h2.address)
  await h2.exec(['ping', '-q', '-c', '20', '-i', '0.01', h1.address])
  const { sent, lost } = await pinging.stop()
  expect(lost).toEqual([])
  const frames = await (await capture.stop()).frames()
  expect(frames.length).toBeGreaterThanOrEqual(2 * (20 + sent))
})

test.each(['nft', 'iptables-legacy'] as const)('a host can drop what it forwards: %s', async (by) => {
  const { hosts } = await lab({ hosts: 1 })
  for (const host of hosts) {
    await dropForwarded(host, { by, docker: true })
    const rules = by === 'nft' ? await host.exec('nft list ruleset') : await host.exec('iptables-legacy -S')
    expect(rules).toMatch(/policy drop|-P FORWARD DROP/)
  }
})

test('etcd: ready, restarted, and set back to a snapshot', async () => {
  const { etcd, directory } = await lab({ hosts: 1 })
  await etcd.start()
  await etcd.etcdctl('put', 'key', 'old')
  await etcd.save(join(directory, 'snapshot'))
  await etcd.etcdctl('put', 'key', 'new')
  await etcd.restart()
  expect(await etcd.etcdctl('get', 'key', '--print-value-only')).toBe('new')
  await etcd.kill()
  await etcd.restore(join(directory, 'snapshot'))
  await etcd.start()
  expect(await etcd.etcdctl('get', 'key', '--print-value-only')).toBe('old')
})

test('a daemon that ends says why at once', async () => {
  const { etcd } = await lab({ hosts: 1 })
  await expect(etcd.start({ flags: ['--no-such-flag'] })).rejects.toThrow(
    /it ended with exit code \d+\n[^]*no-such-flag/,
  )
})
