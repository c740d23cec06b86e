/** The architectures that there are packages for, as Debian, Node and etcd call them. */
export const architectures = ['amd64', 'arm64'] as const
export type Architecture = (typeof architectures)[number]

/** As in `process.arch`, and in the names of npm's packages. */
export const nodeNames: Record<Architecture, string> = { amd64: 'x64', arm64: 'arm64' }

export function isThisMachine(architecture: Architecture): boolean {
  return process.platform === 'linux' && process.arch === nodeNames[architecture]
}
