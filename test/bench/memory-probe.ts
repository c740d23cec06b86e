/**
 * To be imported into a daemon (`node --expose-gc --import …`): on SIGUSR2 it
 * collects its garbage and writes what is left, in bytes, to the file that
 * MEMORY_PROBE names.
 */
import { renameSync, writeFileSync } from 'node:fs'

const file = process.env['MEMORY_PROBE']
const { gc } = globalThis as { gc?: () => void }

process.on('SIGUSR2', () => {
  if (!file || !gc) return
  gc()
  const { heapUsed, external, rss } = process.memoryUsage()
  writeFileSync(`${file}.new`, JSON.stringify({ used: heapUsed + external, resident: rss }))
  renameSync(`${file}.new`, file)
})
