/** Where things are on a host that `overlayctl cluster init` or `join` has set up. The packages' units say the same. */

const state = '/var/lib/overlay'
const configuration = '/etc/overlay'

export const paths = {
  /** Configuration files, which the units name with --config; overlayctl's own is for everybody to read. */
  agentConfig: `${configuration}/agent.yaml`,
  controllerConfig: `${configuration}/controller.yaml`,
  etcdConfig: `${configuration}/etcd.yaml`,
  clientConfig: `${configuration}/overlayctl.yaml`,
  /** State of the programs; each is its own's user to read only. */
  agentState: `${state}/agent`,
  controllerState: `${state}/controller`,
  etcdData: `${state}/etcd`,
  /** tls.crt, tls.key and ca.crt each. */
  agentTls: `${state}/agent/tls`,
  controllerTls: `${state}/controller/tls`,
  /** Root's identity as an admin, on the first host. */
  adminTls: `${state}/admin`,
  /** server.crt, server.key, peer.crt, peer.key, ca.crt: written by the controller, read by etcd. */
  etcdTls: `${state}/etcd-tls`,
  /** 32 bytes that open the authorities' keys in the store. */
  sealingKey: `${state}/controller/sealing.key`,
  /** The first authority (AuthoritySet as JSON, sealed), until the controller has put it into the store. */
  firstAuthority: `${state}/controller/first-authority.json`,
  /** HOST:PORT of each controller, a line each, kept by the agent: for everybody to read. */
  controllers: '/run/overlay/controllers',
  agentSocket: '/run/overlay/agent.sock',
} as const
