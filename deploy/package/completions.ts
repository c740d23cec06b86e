/** Completions of overlayctl, which it writes itself. */
import { execa } from 'execa'

export interface Completion {
  /** Where the shell looks for it. */
  readonly path: string
  readonly content: string
}

const paths = {
  bash: 'usr/share/bash-completion/completions/overlayctl',
  zsh: 'usr/share/zsh/vendor-completions/_overlayctl',
  fish: 'usr/share/fish/vendor_completions.d/overlayctl.fish',
} as const

/** `overlayctl`: the path of the built program. */
export async function completions(overlayctl: string): Promise<readonly Completion[]> {
  return Promise.all(
    Object.entries(paths).map(async ([shell, path]) => {
      const { stdout } = await execa(process.execPath, [overlayctl, 'completion', shell])
      return { path, content: `${stdout}\n` }
    }),
  )
}
