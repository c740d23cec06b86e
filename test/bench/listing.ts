/** `overlayctl ls` from a shell, beside the start of node alone. */
import { createLab } from '../lab/lab.ts'
import { program } from '../lab/program-path.ts'
import { type Benchmark, median, timed } from './figure.ts'

const rounds = 20

export const listing: Benchmark = {
  name: 'listing',
  about: '`overlayctl ls` against `node -e 1`, alternating',
  async run() {
    await using lab = await createLab({ hosts: 1 })
    await lab.start()
    await lab.overlayctlJson('create', 'web', '--subnet', '10.9.0.0/24')
    const bare = [process.execPath, '-e', '1']
    const ls = [process.execPath, program('overlayctl.cjs'), '--controller', `${lab.controllers[0]?.address}`, 'ls']
    const times = { bare: [] as number[], ls: [] as number[] }
    for (let round = 0; round < rounds; round++) {
      times.bare.push(await timed(() => lab.ctl.exec(bare)))
      times.ls.push(await timed(() => lab.ctl.exec(ls)))
    }
    const note = `${median(times.ls).toFixed(0)} ms against ${median(times.bare).toFixed(0)} ms`
    return [
      {
        bench: 'listing',
        what: `overlayctl ls, median of ${rounds}`,
        value: median(times.ls) / median(times.bare),
        unit: 'x',
        atMost: 2.5,
        note,
      },
    ]
  },
}
