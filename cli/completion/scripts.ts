/** What a shell runs to complete a line: it asks overlayctl, by its hidden command `__complete`. */

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** The line with which `__complete` asks the shell to complete names of files. */
export const filesLine = ':files'

export const scripts: { readonly [shell in Shell]: string } = {
  bash: `# bash completion of overlayctl: to be put into /usr/share/bash-completion/completions/overlayctl,
# or taken in with: source <(overlayctl completion bash)
_overlayctl() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == ${filesLine} ]]; then
      compopt -o default 2>/dev/null
      COMPREPLY=()
      return
    fi
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <("\${COMP_WORDS[0]}" __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _overlayctl overlayctl
`,
  zsh: `#compdef overlayctl
# zsh completion of overlayctl: to be put as _overlayctl into a directory of fpath,
# or taken in with: source <(overlayctl completion zsh)
_overlayctl() {
  local line
  local -a lines candidates
  lines=("\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in "\${lines[@]}"; do
    if [[ $line == ${filesLine} ]]; then
      _files
      return
    fi
    [[ -n $line ]] && candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe overlayctl candidates
}
if [[ $funcstack[1] == _overlayctl ]]; then
  _overlayctl "$@"
else
  compdef _overlayctl overlayctl
fi
`,
  fish: `# fish completion of overlayctl: to be put into /usr/share/fish/vendor_completions.d/overlayctl.fish,
# or taken in with: overlayctl completion fish | source
function __overlayctl_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines ($words[1] __complete -- $words[2..-1] 2>/dev/null)
    if test "$lines[1]" = ${filesLine}
        __fish_complete_path (commandline -ct)
        return
    end
    test (count $lines) -gt 0; and printf '%s\\n' $lines
end
complete -c overlayctl -f -a '(__overlayctl_complete)'
`,
}
