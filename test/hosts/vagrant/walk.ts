/** Reads what a README tells people to type. */

export interface TypedCommand {
  readonly command: string
  /** What it shows, a line each; empty: it does not matter. */
  readonly shown: readonly string[]
}

/** Of the blocks marked `console`: lines that begin with `$ ` are typed, those after them are shown. */
export function typedCommands(markdown: string): readonly TypedCommand[] {
  return [...markdown.matchAll(/^```console\n(.*?)^```$/gms)].flatMap(([, block = '']) =>
    block
      .split(/^\$ /m)
      .filter((part) => part.trim() !== '')
      .map((part) => {
        const [command = '', ...shown] = part.trimEnd().split('\n')
        return { command, shown: shown.filter((line) => line.trim() !== '') }
      }),
  )
}

/**
 * Whether the output has a line like each of those shown, in whatever order. `…` stands
 * for anything; one space for any number of them.
 */
export function shows(output: string, shown: readonly string[]): boolean {
  const lines = output.split('\n').map((line) => line.trim())
  return shown.every((wanted) => {
    const pattern = new RegExp(`^${wanted.trim().split(/\s+/).map(patternOf).join('\\s+')}$`)
    return lines.some((line) => pattern.test(line))
  })
}

function patternOf(word: string): string {
  return word
    .split('…')
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*')
}
