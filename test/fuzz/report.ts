/** What the fuzzing has to say: one JSON object a line, from the worker to whoever started it. */

export type Said =
  /** Something that must not be. */
  | { readonly kind: 'problem'; readonly text: string }
  /** What was done. */
  | { readonly kind: 'figure'; readonly text: string }

export function say(said: Said): void {
  process.stdout.write(`${JSON.stringify(said)}\n`)
}

export const figure = (text: string) => say({ kind: 'figure', text })
export const problem = (text: string) => say({ kind: 'problem', text })

/** The lines that are such; others come from programs that had something to say. */
export function parseSaid(lines: string): readonly Said[] {
  return lines.split('\n').flatMap((line): Said[] => {
    if (line === '') return []
    try {
      return [JSON.parse(line) as Said]
    } catch {
      return [{ kind: 'problem', text: `the worker said: ${line}` }]
    }
  })
}
