import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { identityOf, isAlive } from './process-identity.ts'
import { labDirectory } from './record.ts'
import { namespacesOf } from './residue.ts'

const path = (file: string) => JSON.stringify(join(import.meta.dirname, file))

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s while a lab is up and sandboxes are made: nothing is left', async (signal, code) => {
  const script = `
    const { createLab } = await import(${path('lab.ts')})
    const { exitOnSignals } = await import(${path('interrupt.ts')})
    exitOnSignals()
    const lab = await createLab({ hosts: 1 })
    const sandbox = await lab.sandbox('job')
    const { pid } = await sandbox.spawn('job', ['sleep', '1000'])
    console.log(JSON.stringify({ id: lab.id, pid }))
    await lab.sandboxes(Array.from({ length: 2000 }, (_, n) => 's' + n))
    setInterval(() => undefined, 1000)`
  const creator = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void creator.kill('SIGKILL'))
  const [line] = await once(creator.stdout, 'data')
  const { id, pid } = JSON.parse(String(line)) as { id: string; pid: number }
  const job = identityOf(pid)
  expect(isAlive(job)).toBe(true)
  creator.kill(signal)
  expect(await once(creator, 'exit')).toEqual([code, null])
  expect([isAlive(job), namespacesOf(id), existsSync(labDirectory(id))]).toEqual([false, [], false])
})
