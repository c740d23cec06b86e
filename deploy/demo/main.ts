/** `npm run demo`: a cluster on this machine, a network across it, and what can be seen of it. */

import { existsSync } from 'node:fs'
import { labDirectory } from '../../test/lab/record.ts'
import { namespacesOf, removeLab } from '../../test/lab/residue.ts'
import { logTails } from './logs.ts'
import { demoName, tellStory } from './story.ts'

const usage = `\
Usage: npm run demo            start the demo; one that is there is taken down first
       npm run demo -- down    take it down: nothing is left of it
`

async function main(words: readonly string[]): Promise<number> {
  const [word, ...more] = words
  if (word === '--help' || word === '-h') {
    process.stdout.write(usage)
    return 0
  }
  if (more.length > 0 || (word !== undefined && word !== 'down')) {
    process.stderr.write(`demo: what is "${words.join(' ')}"?\n${usage}`)
    return 2
  }
  return word === 'down' ? down() : up()
}

function down(): number {
  const there = existsSync(labDirectory(demoName)) || namespacesOf(demoName).length > 0
  removeLab(demoName)
  process.stdout.write(there ? 'The demo is taken down; nothing is left of it.\n' : 'There is no demo to take down.\n')
  return 0
}

async function up(): Promise<number> {
  const interrupted = (name: NodeJS.Signals) => {
    removeLab(demoName)
    process.stderr.write(`\ndemo: interrupted (${name}) and taken down\n`)
    process.exit(130)
  }
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    await tellStory()
    return 0
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`\ndemo: ${message}\n${logTails(labDirectory(demoName))}\n`)
    process.stderr.write('What runs of it is left for you to look at. To clean up: npm run demo -- down\n')
    return 1
  }
}

process.exit(await main(process.argv.slice(2)))
