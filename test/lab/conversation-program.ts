/** A program: one end of a TCP connection on which numbers are said and echoed. See conversation.ts. */
import { connect, createServer } from 'node:net'

/** Milliseconds from one number to the next. */
const interval = 10

const [mode, address = '', port = ''] = process.argv.slice(2)
if (mode === 'serve') serve()
else talk()

function serve(): void {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', fail).pipe(socket)
  })
  server.on('error', fail).listen(Number(port), address, () => console.log('ready'))
}

/** Says 1, 2, 3… one a line until SIGINT, then waits for the last echo and prints what came of it. */
function talk(): void {
  const socket = connect({ host: address, port: Number(port), noDelay: true })
  let sent = 0
  let echoed = 0
  let rest = ''
  let isEnding = false
  const say = () => socket.write(`${++sent}\n`)
  const finish = () => {
    console.log(JSON.stringify({ sent, echoed }))
    process.exit(0)
  }
  socket
    .on('error', fail)
    .on('close', () => fail(new Error('the connection was closed')))
    .on('connect', () => setInterval(() => isEnding || say(), interval))
    .on('data', (chunk) => {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines)
        if (Number(line) !== ++echoed) fail(new Error(`the echo of ${echoed} is ${line}`))
        else if (echoed === 1) console.log('ready')
      if (isEnding && echoed === sent) finish()
    })
  process.once('SIGINT', () => {
    isEnding = true
    if (echoed === sent) finish()
    // Echoes that do not come are told by the numbers.
    setTimeout(finish, 3_000)
  })
}

function fail(error: Error): never {
  console.log(error.message)
  process.exit(1)
}
