/** npm run test:vagrant: makes a box, and in a world apart from this machine's does what deploy/vagrant/README.md says. */
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { packageRoot } from '../../../lib/version.ts'
import { exitOnSignals } from '../../lab/interrupt.ts'
import { identityOf } from '../../lab/process-identity.ts'
import { program } from '../../lab/program-path.ts'
import { createRecord, recordProcess } from '../../lab/record.ts'
import { reap, removeLab } from '../../lab/residue.ts'

const here = join(packageRoot, 'test/hosts/vagrant')

exitOnSignals()
reap()
const { stdout: box } = await execa('sh', [join(here, 'box.sh')], { stderr: 'inherit' })
const id = randomBytes(3).toString('hex')
const directory = createRecord(id, { keep: false })
// Its processes, too, if this one is killed: by whoever makes a lab next.
process.on('exit', () => removeLab(id))
const kept = join(directory, 'vagrant')
mkdirSync(kept)
const world = execa(
  'sh',
  [join(here, 'world.sh'), directory, process.execPath, program('test/hosts/vagrant/inside.js')],
  {
    env: {
      OVERLAY_BOX: 'overlay-test',
      OVERLAY_BOX_FILE: box,
      VAGRANT_HOME: join(kept, 'home'),
      VAGRANT_DOTFILE_PATH: join(kept, 'machines'),
      VAGRANT_DEFAULT_PROVIDER: 'libvirt',
      VAGRANT_CHECKPOINT_DISABLE: '1',
    },
    stdio: 'inherit',
    reject: false,
  },
)
if (world.pid !== undefined) recordProcess(directory, identityOf(world.pid))
process.exitCode = (await world).exitCode ?? 1
