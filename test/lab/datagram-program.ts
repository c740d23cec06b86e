/** A program: sends a UDP datagram, or prints those that come, also to groups and broadcast. See datagrams.ts. */
import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'

const [mode, device = '', port = '', ...rest] = process.argv.slice(2)
if (mode === 'listen') listen(rest)
else send(rest)

/** Prints the text of each datagram to the port, one a line. */
function listen(groups: readonly string[]): void {
  const v4 = createSocket({ type: 'udp4', reuseAddr: true })
  const v6 = createSocket({ type: 'udp6', reuseAddr: true, ipv6Only: true })
  let bound = 0
  for (const socket of [v4, v6])
    socket
      .on('message', (text) => console.log(text.toString()))
      .bind(Number(port), () => {
        for (const group of groups)
          if (isIPv6(group) === (socket === v6)) socket.addMembership(group, interfaceOf(socket === v6))
        if (++bound === 2) console.log('ready')
      })
}

/** One datagram to each ADDRESS=TEXT. */
function send(datagrams: readonly string[]): void {
  for (const datagram of datagrams) {
    const [address = '', text = ''] = datagram.split('=')
    const isV6 = isIPv6(address)
    const socket = createSocket(isV6 ? 'udp6' : 'udp4')
    socket.bind(() => {
      if (!isV6) socket.setBroadcast(true)
      socket.setMulticastTTL(8)
      socket.setMulticastInterface(interfaceOf(isV6))
      socket.send(text, Number(port), address, (error) => ended(socket, error))
    })
  }
}

function interfaceOf(isV6: boolean): string {
  if (isV6) return `::%${device}`
  return networkInterfaces()[device]?.find(({ family }) => family === 'IPv4')?.address ?? '0.0.0.0'
}

function ended(socket: Socket, error: Error | null): void {
  socket.close()
  if (!error) return
  console.error(error.message)
  process.exitCode = 1
}
