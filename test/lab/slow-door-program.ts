/**
 * A program: a TCP address that leads to another, whose answers come late, by as
 * many milliseconds as a file says now. See slow-door.ts.
 */
import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'

const [file = '', listenHost = '', listenPort = '', host = '', port = ''] = process.argv.slice(2)

createServer({ noDelay: true }, (inside) => {
  const outside = connect({ host, port: Number(port), noDelay: true })
  inside.on('error', () => outside.destroy()).on('close', () => outside.destroy())
  outside.on('error', () => inside.destroy()).on('close', () => inside.destroy())
  inside.pipe(outside)
  let passed = Promise.resolve()
  outside.on('data', (bytes) => {
    const due = performance.now() + Number(readFileSync(file, 'utf8'))
    // One after another, also when the delay becomes shorter meanwhile.
    passed = passed.then(async () => {
      const left = due - performance.now()
      if (left > 0) await new Promise((resolve) => setTimeout(resolve, left))
      if (inside.writable) inside.write(bytes)
    })
  })
})
  .on('error', fail)
  .listen(Number(listenPort), listenHost, () => console.log('open'))

function fail(error: Error): never {
  console.log(error.message)
  process.exit(1)
}
