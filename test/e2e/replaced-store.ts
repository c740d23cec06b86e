/** Puts other content under etcd's clients: nothing, a snapshot, or another cluster's. */
import { join } from 'node:path'
import type { Etcd } from '../lab/etcd.ts'
import type { Lab } from '../lab/lab.ts'
import { storePrefix } from './store-content.ts'

/** Ends etcd and starts it again with a snapshot, or empty; its address stays. */
export async function replaceContent(etcd: Etcd, file?: string): Promise<void> {
  await etcd.kill()
  await (file === undefined ? etcd.wipe() : etcd.restore(file))
  await etcd.start()
}

/** The path of a snapshot of what it holds now. */
export async function snapshot({ directory }: Lab, etcd: Etcd, name: string): Promise<string> {
  const file = join(directory, name)
  await etcd.save(file)
  return file
}

/** A snapshot of a cluster called "strange", whose revisions are ahead of ours: they do not tell them apart. */
export async function snapshotOfAnother(lab: Lab): Promise<string> {
  const etcd = lab.addEtcd({ name: 'strange', port: 2579 })
  await etcd.start()
  const put = `ETCDCTL_API=3 etcdctl --endpoints=${etcd.url} put filler $n`
  await lab.ctl.exec(`for n in $(seq 30); do ${put} || exit 1; done`)
  await etcd.etcdctl('put', `${storePrefix}cluster`, '{"uid":"strange"}')
  const file = await snapshot(lab, etcd, 'strange-snapshot')
  await etcd.kill()
  return file
}
