/** What the programs' configuration files say. */
import { paths } from '../../lib/paths.ts'
import type { Host } from './host.ts'
import { foreignEtcdFiles, tlsFiles } from './layout.ts'
import { hostPort, httpsUrl } from './urls.ts'

/** With which etcd's TLS 1.2 has no usable suite with our keys: TLS 1.3 is left (etcd 3.4 has no option for it). */
const cipherSuites = ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256']
/** The common name that etcd's members know each other by. */
const peerName = 'etcd-peer'
/** 2 GiB: what agents and controllers keep is far less. */
const quotaBytes = 2 * 1024 ** 3

export interface Member {
  readonly name: string
  readonly peerUrl: string
}

export interface EtcdSettings {
  readonly node: string
  readonly advertise: string
  /** All members, this one among them. */
  readonly members: readonly Member[]
  readonly state: 'new' | 'existing'
  /** Tells a cluster from one that was made with the same names. */
  readonly token: string
}

/** Etcd's --config-file (etcd 3.4, embed/config.go). */
export function etcdConfig({ ports }: Host, { node, advertise, members, state, token }: EtcdSettings): object {
  const client = httpsUrl(advertise, ports.etcdClient)
  const peer = httpsUrl(advertise, ports.etcdPeer)
  return {
    name: node,
    'data-dir': paths.etcdData,
    'listen-client-urls': `${client},${httpsUrl('127.0.0.1', ports.etcdClient)}`,
    'advertise-client-urls': client,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(','),
    'initial-cluster-state': state,
    'initial-cluster-token': token,
    'strict-reconfig-check': true,
    'client-transport-security': {
      'cert-file': `${paths.etcdTls}/server.crt`,
      'key-file': `${paths.etcdTls}/server.key`,
      'trusted-ca-file': `${paths.etcdTls}/ca.crt`,
      'client-cert-auth': true,
    },
    'peer-transport-security': {
      'cert-file': `${paths.etcdTls}/peer.crt`,
      'key-file': `${paths.etcdTls}/peer.key`,
      'trusted-ca-file': `${paths.etcdTls}/ca.crt`,
      'client-cert-auth': true,
    },
    // The file has no option for it, but takes the field of embed.Config: it is the flag --peer-cert-allowed-cn.
    PeerTLSInfo: { AllowedCN: peerName },
    'cipher-suites': cipherSuites,
    'enable-v2': false,
    'enable-grpc-gateway': false,
    'auto-compaction-mode': 'periodic',
    'auto-compaction-retention': '1h',
    'quota-backend-bytes': quotaBytes,
    logger: 'zap',
    'log-outputs': ['stderr'],
  }
}

/** An etcd that somebody else runs, and which certificates there are for it (see foreignEtcdFiles). */
export interface ForeignEtcd {
  readonly hasCa: boolean
  readonly hasCertificate: boolean
}

export interface ControllerSettings {
  readonly advertise: string
  readonly etcdUrls: readonly string[]
  readonly foreignEtcd: ForeignEtcd | undefined
  readonly prefix?: string | undefined
  readonly pools?: readonly string[] | undefined
  /** Seconds. */
  readonly certificateLife?: number | undefined
}

export function controllerConfig({ ports }: Host, settings: ControllerSettings): object {
  const { advertise, etcdUrls, foreignEtcd, prefix, pools = [], certificateLife } = settings
  return {
    listen: hostPort(advertise.includes(':') ? '::' : '0.0.0.0', ports.controller),
    advertise: hostPort(advertise, ports.controller),
    etcd: etcdUrls.join(','),
    ...(prefix && { prefix }),
    ...(pools.length > 0 && { pool: pools }),
    ...tlsKeys(paths.controllerTls),
    ...(foreignEtcd ? foreignEtcdKeys(paths.controllerTls, foreignEtcd) : { etcdTls: paths.etcdTls }),
    sealingKey: paths.sealingKey,
    ...(certificateLife !== undefined && { certificateLife: String(certificateLife) }),
  }
}

export interface AgentSettings {
  readonly node: string
  readonly etcdUrls: readonly string[]
  readonly prefix?: string | undefined
  readonly vtepAddress?: string | undefined
  readonly vtepInterface?: string | undefined
  readonly foreignEtcd?: ForeignEtcd | undefined
}

export function agentConfig(settings: AgentSettings): object {
  const { node, etcdUrls, prefix, vtepAddress, vtepInterface, foreignEtcd } = settings
  return {
    etcd: etcdUrls.join(','),
    ...(prefix && { prefix }),
    node,
    ...(vtepInterface === undefined ? { vtepAddress } : { vtepInterface }),
    ...tlsKeys(paths.agentTls),
    ...(foreignEtcd && foreignEtcdKeys(paths.agentTls, foreignEtcd)),
  }
}

/** Root's, on the first host: which controllers there are, the agent keeps up to date. */
export function adminConfig(): object {
  return tlsKeys(paths.adminTls)
}

export function tlsKeys(directory: string) {
  const { cert, key, ca } = tlsFiles(directory)
  return { tlsCert: cert, tlsKey: key, tlsCa: ca }
}

function foreignEtcdKeys(directory: string, { hasCa, hasCertificate }: ForeignEtcd): object {
  const files = foreignEtcdFiles(directory)
  return { ...(hasCa && { etcdCa: files.ca }), ...(hasCertificate && { etcdCert: files.cert, etcdKey: files.key }) }
}
