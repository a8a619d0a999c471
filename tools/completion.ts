/** Completion of the shells, each of which asks the program itself what can stand there. */
export interface Completions {
  readonly bash: string;
  readonly zsh: string;
  readonly fish: string;
}

/** Made once for all versions: commands, options and values are the program's own to name. */
export const COMPLETIONS: Completions = {
  // A name with spaces is offered quoted; where nothing is offered bash goes on with files.
  bash: `# Completion of vfio-watch for bash.
_vfio_watch() {
  local word meaning current=\${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  while IFS=$'\\t' read -r word meaning; do
    COMPREPLY+=("$(printf %q "$word")")
  done < <(vfio-watch complete "\${COMP_WORDS[@]:1:COMP_CWORD-1}" "\${current//\\\\/}" 2>/dev/null)
}
complete -o default -F _vfio_watch vfio-watch
`,
  zsh: `#compdef vfio-watch
# Completion of vfio-watch for zsh.
_vfio_watch() {
  local word meaning
  local -a offered shown
  while IFS=$'\\t' read -r word meaning; do
    offered+=("$word")
    shown+=("$word\${meaning:+  ($meaning)}")
  done < <(vfio-watch complete "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)
  if (( \${#offered} )); then
    compadd -M 'm:{[:lower:][:upper:]}={[:upper:][:lower:]}' -l -d shown -a offered
  else
    _files
  fi
}
if [[ $funcstack[1] == _vfio_watch ]]; then
  _vfio_watch "$@"
else
  compdef _vfio_watch vfio-watch
fi
`,
  fish: `# Completion of vfio-watch for fish.
function __vfio_watch_offered
    set -l words (commandline -opc)
    set -l offered (vfio-watch complete $words[2..-1] (commandline -ct | string unescape) 2>/dev/null)
    if set -q offered[1]
        printf '%s\\n' $offered
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c vfio-watch -f -a '(__vfio_watch_offered)'
`,
};
