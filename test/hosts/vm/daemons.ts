/** The built programs on machines, with TLS everywhere: etcd and a controller on the first, another on the second, agents on all. */
import { flags } from '../../lab/controller.ts'
import { program } from '../../lab/program-path.ts'
import type { Machine } from '../machine.ts'
import { isLive } from './cluster-view.ts'
import { createOwnAuthority, equip, pathsOf, type TlsPaths } from './credentials.ts'
import { createService, type Service } from './service.ts'

export interface Daemons {
  readonly etcd: Service
  readonly controllers: readonly Service[]
  /** In the order of the machines. */
  readonly agents: readonly Service[]
}

const etcdCertificates = 'etcd'
const adminCertificates = 'admin'
/** guest.sh has it on the path. */
const binaries = '/var/lib/overlay/bin'

/** Makes their certificates and starts them. */
export async function startDaemons(machines: readonly Machine[]): Promise<Daemons> {
  const [first, second] = machines
  if (!first || !second) throw new Error('this takes two machines at least')
  const authority = await createOwnAuthority()
  const controlPlane = [first, second]
  const etcdUrl = `https://${first.address}:2379`
  const controllerAddress = ({ address }: Machine) => `${address}:4780`

  await equip(first, authority, { name: etcdCertificates, serves: true })
  for (const machine of controlPlane)
    await equip(machine, authority, {
      name: 'controller',
      identity: { role: 'controller', name: machine.name },
      serves: true,
    })
  for (const machine of machines) {
    await equip(machine, authority, { name: 'agent', identity: { role: 'node', name: machine.name } })
    await equip(machine, authority, { name: adminCertificates, identity: { role: 'admin', name: 'root' } })
    await installOverlayctl(machine, controlPlane.map(controllerAddress))
  }

  const etcd = createService({
    machine: first,
    name: 'etcd',
    command: etcdCommand(etcdUrl),
    ready: healthy(first),
  })
  const controllers = controlPlane.map((machine) => {
    const [address, tls] = [controllerAddress(machine), tlsFlags(pathsOf('controller'))]
    return createService({
      machine,
      name: 'controller',
      command: [
        'node',
        program('overlay-controller.cjs'),
        '--etcd',
        etcdUrl,
        '--listen',
        address,
        '--advertise',
        address,
        ...tls,
      ],
      ready: async () => (await machine.exec(['overlayctl', '--controller', address, 'ls'])) !== undefined,
    })
  })
  const agents = machines.map((machine) =>
    createService({
      machine,
      name: 'agent',
      command: [
        'node',
        program('overlay-agent.cjs'),
        ...flags({ etcd: etcdUrl, node: machine.name, 'vtep-address': machine.address, 'session-ttl': '10' }),
        ...tlsFlags(pathsOf('agent')),
      ],
      ready: () => isLive(machine, machine.name),
    }),
  )
  await etcd.start()
  for (const controller of controllers) await controller.start()
  await Promise.all(agents.map((agent) => agent.start()))
  return { etcd, controllers, agents }
}

/** On the path of its shell, and to stay there after a boot; with what a person would have in the configuration. */
async function installOverlayctl(machine: Machine, controllers: readonly string[]): Promise<void> {
  const { cert, key, ca } = pathsOf(adminCertificates)
  const variables = {
    OVERLAY_CONTROLLER: controllers.join(),
    OVERLAY_TLS_CERT: cert,
    OVERLAY_TLS_KEY: key,
    OVERLAY_TLS_CA: ca,
  }
  const exports = Object.entries(variables).map(([name, value]) => `export ${name}="\${${name}-${value}}"`)
  const input = ['#!/bin/sh', ...exports, `exec node ${program('overlayctl.cjs')} "$@"`, ''].join('\n')
  const path = `${binaries}/overlayctl`
  await machine.exec(`mkdir -p ${binaries} && cat > ${path} && chmod 755 ${path}`, { input })
}

function tlsFlags({ cert, key, ca }: TlsPaths): readonly string[] {
  return flags({ 'tls-cert': cert, 'tls-key': key, 'tls-ca': ca })
}

/** TLS 1.3 alone: the one suite of TLS 1.2 that is allowed wants an RSA key. */
function etcdCommand(url: string): readonly string[] {
  const { cert, key, ca } = pathsOf(etcdCertificates)
  return [
    'etcd',
    '--data-dir=/var/lib/overlay/etcd',
    `--listen-client-urls=${url},https://127.0.0.1:2379`,
    `--advertise-client-urls=${url}`,
    `--cert-file=${cert}`,
    `--key-file=${key}`,
    `--trusted-ca-file=${ca}`,
    '--client-cert-auth',
    '--cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  ]
}

function healthy(machine: Machine): () => Promise<boolean> {
  const { cert, key, ca } = pathsOf(etcdCertificates)
  const command = ['etcdctl', `--cert=${cert}`, `--key=${key}`, `--cacert=${ca}`, 'endpoint', 'health']
  return async () => (await machine.exec(command, { env: { ETCDCTL_API: '3' } })) !== undefined
}
