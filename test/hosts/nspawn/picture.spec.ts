/**
 * The picture at the head of the README, from a real run. Left out unless OVERLAY_CAST names the file that the recording
 * goes to (asciicast v2):
 *
 *     OVERLAY_CAST=/tmp/first-minute.cast npm run test:nspawn -- picture
 *     npx svg-term-cli --in /tmp/first-minute.cast --out docs/pictures/first-minute.svg --window
 */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, test } from 'vitest'
import { joinLineIn } from '../cluster.ts'
import type { NspawnHost } from './host.ts'
import type { NspawnLab } from './nspawn-lab.ts'
import { startedHosts } from './started-hosts.ts'

const file = process.env['OVERLAY_CAST']
const size = { width: 110, height: 32 }
/** Seconds that a key press and a look at what came take in the picture. What programs take is as it was. */
const key = 0.02
const look = 1.2

let lab: NspawnLab | undefined
beforeAll(async () => {
  if (file) lab = await startedHosts({ hosts: 2, have: 'package' })
})
afterAll(() => lab?.down())

test.runIf(file)('two hosts become a cluster, make a network, and ping across it', async () => {
  const [n1, n2] = [lab?.host(1), lab?.host(2)]
  if (!n1 || !n2) throw new Error('there are no hosts')
  const tape = record()
  const { controller, token } = joinLineIn(await tape.run(n1, 'overlayctl cluster init'))
  await tape.run(n2, `overlayctl cluster join ${controller} --token ${token}`)
  await tape.run(n1, 'overlayctl create --subnet 10.0.9.0/24 web')
  await tape.run(n1, 'systemd-run -q overlayctl run --network web --name a --ip 10.0.9.2 -- sleep 600')
  await tape.run(n2, 'overlayctl run --network web --name b -- ping -c 3 10.0.9.2')
  await tape.run(n1, 'overlayctl status')
  writeFileSync(file ?? '', tape.text())
})

function record() {
  const events: (readonly [number, 'o', string])[] = []
  let now = 0.5
  const show = (text: string) => void events.push([now, 'o', text])
  return {
    async run(host: NspawnHost, command: string): Promise<string> {
      show(`\x1b[1;36m${host.name}#\x1b[0m `)
      for (const letter of command) {
        now += key
        show(letter)
      }
      const begun = performance.now()
      show('\r\n')
      const said = await host.exec(`${command} 2>&1`)
      now += (performance.now() - begun) / 1_000
      show(said === '' ? '' : `${said.replaceAll('\n', '\r\n')}\r\n`)
      now += look
      return said
    },
    text: () =>
      [{ version: 2, ...size }, ...events, [now + 3, 'o', ' ']].map((line) => `${JSON.stringify(line)}\n`).join(''),
  }
}
