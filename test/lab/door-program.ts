/** A program: unix sockets that lead to TCP addresses of the namespace it runs in. See door.ts. */
import { connect, createServer } from 'node:net'

for (const door of process.argv.slice(2)) {
  const [path = '', host = '', port = ''] = door.split('=')
  createServer((inside) => {
    const outside = connect({ host, port: Number(port), noDelay: true })
    // Who is refused or cut off on one side is so on the other.
    inside.on('error', () => outside.destroy()).on('close', () => outside.destroy())
    outside.on('error', () => inside.destroy()).on('close', () => inside.destroy())
    inside.pipe(outside).pipe(inside)
  })
    .on('error', fail)
    .listen(path, () => console.log(`open ${path}`))
}

function fail(error: Error): never {
  console.log(error.message)
  process.exit(1)
}
