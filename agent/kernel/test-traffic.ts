/** For kernel specs: traffic from one namespace to another that tells what was lost. */
import { execa } from 'execa'
import { run, type TestNamespace } from './test-host.ts'

/** So many pings, one a millisecond. @returns how many were not answered. */
export async function floodOfPings(from: TestNamespace, address: string, count: number): Promise<number> {
  // A raw socket is given the answers of the other floods as well, and drops some when its process has no turn.
  const ownAnswers = 'echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range'
  const command = `${ownAnswers} && exec ping -q -i 0.001 -W 2 -c ${count} ${address}`
  const { stdout } = await execa('nsenter', [`--net=${from.path}`, 'sh', '-c', command], { reject: false })
  const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(stdout) ?? []
  if (sent !== String(count)) throw new Error(`ping did not run to its end: ${stdout}`)
  return count - Number(received)
}

const server = `
  const server = require('node:net').createServer((peer) => peer.pipe(peer))
  server.listen(7, '::', () => console.log('listening'))`

/** Sends a byte a millisecond over one connection and ends when all have come back. */
const client = `
  const [address, count] = process.argv.slice(1)
  const peer = require('node:net').connect({ host: address, port: 7, noDelay: true })
  let [sent, back] = [0, 0]
  const timer = setInterval(() => (sent++ < Number(count) ? peer.write('x') : clearInterval(timer)), 1)
  peer.on('data', (echo) => (back += echo.length) === Number(count) && peer.end())
  peer.on('error', (error) => { console.error(error); process.exit(1) })`

/**
 * One TCP connection to each address, open until `count` bytes have come back, one
 * a millisecond. Rejects when one of them ends before.
 * @returns how many segments either side had to send again, but for those that it sent too early.
 */
export async function connections(
  from: TestNamespace,
  to: TestNamespace,
  addresses: readonly string[],
  count: number,
): Promise<number> {
  const node = ({ path }: TestNamespace, script: string, ...args: readonly string[]) =>
    execa('nsenter', [`--net=${path}`, process.execPath, '-e', script, ...args])
  const listener = node(to, server)
  try {
    await new Promise((resolve) => listener.stdout.once('data', resolve))
    await Promise.all(addresses.map((address) => node(from, client, address, String(count))))
  } finally {
    listener.kill()
    await listener.catch(() => undefined)
  }
  const told = await Promise.all([from, to].map((end) => run(end, 'nstat -asz TcpRetransSegs TcpExtTCPDSACKRecv')))
  const counted = (name: string) =>
    told.reduce((sum, text) => sum + Number(new RegExp(`${name} +(\\d+)`).exec(text)?.[1]), 0)
  return counted('TcpRetransSegs') - counted('TCPDSACKRecv')
}
