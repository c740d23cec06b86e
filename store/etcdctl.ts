/** What a person types to remove a key that no program of ours will. */

/** The whole command, for a shell: a key that others wrote may be anything. */
export function removalOf(path: string): string {
  const word = /^[\w./:@-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
  return `etcdctl del ${word.replaceAll(/\p{Cc}/gu, '?')}`
}
