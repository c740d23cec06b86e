/** Commands to a machine, on its virtio serial port; guest.sh has the other end. */
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Output } from '../../lab/netns.ts'
import { until } from '../../lab/until.ts'

export interface CommandPort {
  /**
   * Runs a text in the machine's shell.
   * @throws Error when there is no answer within `timeout` milliseconds, or the machine goes.
   */
  run(script: string, timeout: number): Promise<Output>
  close(): void
}

interface Waiting {
  readonly done: (output: Output) => void
  readonly failed: (error: Error) => void
}

/** Connects to the port's socket once qemu listens there, and waits until the machine says that it is ready. */
export async function openCommandPort(
  path: string,
  name: string,
  whileStarting: { deadline: number; hopeless: () => string | undefined; detail: () => string },
): Promise<CommandPort> {
  const waiting = new Map<string, Waiting>()
  let ready = false
  let ended = false
  const socket = await until(() => dial(path), { what: `${name}: a qemu that listens`, ...whileStarting })
  const end = () => {
    ended = true
    for (const { failed } of waiting.values()) failed(new Error(`${name} is gone`))
    waiting.clear()
  }
  socket.on('error', end).on('close', end)
  createInterface({ input: socket }).on('line', (line) => {
    if (line === 'ready') ready = true
    const [id = '', status, stdout = '', stderr = ''] = line.split(' ')
    waiting.get(id)?.done({ exitCode: Number(status), stdout: textOf(stdout), stderr: textOf(stderr) })
    waiting.delete(id)
  })
  let last = 0
  await until(() => ready, { what: `${name}: to boot`, ...whileStarting })
  return {
    run(script, timeout) {
      const id = String(++last)
      return new Promise((resolve, reject) => {
        const tooLate = () => failed(new Error(`in ${name}: no answer within ${timeout / 1_000} s: ${script}`))
        const timer = setTimeout(tooLate, timeout)
        const done = (output: Output) => {
          clearTimeout(timer)
          resolve(output)
        }
        const failed = (error: Error) => {
          clearTimeout(timer)
          waiting.delete(id)
          reject(error)
        }
        if (ended) return failed(new Error(`${name} is gone`))
        waiting.set(id, { done, failed })
        socket.write(`${id} ${Buffer.from(script).toString('base64')}\n`)
      })
    },
    close: () => socket.destroy(),
  }
}

function dial(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => resolve(socket.off('error', reject)))
    socket.once('error', reject)
  })
}

const textOf = (base64: string) => Buffer.from(base64, 'base64').toString().trimEnd()
