/** `completion`: scripts for shells, made from the tree of commands itself. */
import type { Command } from 'commander'
import { type Call, wrongUse } from '../call.ts'

/** What may follow at one place of the tree. */
interface Place {
  /** '' for the program, ' keys list' for a command. */
  readonly path: string
  readonly commands: readonly { readonly name: string; readonly summary: string }[]
  readonly options: readonly {
    readonly long: string
    readonly summary: string
    readonly takesValue: boolean
  }[]
}

export async function completion({ args, output, program }: Call): Promise<undefined> {
  const [shell = ''] = args
  const script = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined
  if (script === undefined) throw wrongUse('there is no completion for that shell', 'one of bash, zsh, fish')
  const text = script(placesOf(program, ''))
  await output.result({ shell, script: text }, text)
}

function placesOf(command: Command, path: string): Place[] {
  const help = command.createHelp()
  const inner = help.visibleCommands(command)
  const own = [...help.visibleOptions(command), ...(path === '' ? [] : globalOptions(command))]
  const place = {
    path,
    commands: inner.map((one) => ({ name: one.name(), summary: one.summary() || one.description() })),
    options: own.flatMap(({ long, description, required }) =>
      typeof long === 'string' ? [{ long, summary: description, takesValue: required }] : [],
    ),
  }
  return [place, ...command.commands.flatMap((one) => placesOf(one, `${path} ${one.name()}`))]
}

function globalOptions(command: Command): Command['options'] {
  let top = command
  while (top.parent !== null) top = top.parent
  return top.options.filter(({ long }) => long !== '--version')
}

const wordsOf = ({ commands, options }: Place): string[] => [
  ...commands.map(({ name }) => name),
  ...options.map(({ long }) => long),
]

/** In single quotes of a POSIX shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const pathsOf = (places: readonly Place[]): string =>
  places
    .filter(({ path }) => path !== '')
    .map(({ path }) => `"${path}"`)
    .join('|')

function bash(places: readonly Place[]): string {
  const cases = places.map((place) => `    "${place.path}") words=${quoted(wordsOf(place).join(' '))} ;;`)
  return `# bash completion of keywright: source <(keywright completion bash)
_keywright() {
  local path= words= word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
      ${pathsOf(places)}) path="$path $word" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _keywright keywright
`
}

function zsh(places: readonly Place[]): string {
  const described = (name: string, summary: string): string =>
    quoted(`${name}:${summary.replaceAll(':', '\\:')}`)
  const cases = places.map(({ path, commands, options }) => {
    const entries = [
      ...commands.map(({ name, summary }) => described(name, summary)),
      ...options.map(({ long, summary }) => described(long, summary)),
    ]
    return `    "${path}") entries=(\n${entries.map((entry) => `      ${entry}`).join('\n')}\n    ) ;;`
  })
  return `#compdef keywright
# zsh completion of keywright: source <(keywright completion zsh)
_keywright() {
  local place= word
  local -a entries
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$place $word" in
      ${pathsOf(places)}) place="$place $word" ;;
    esac
  done
  case "$place" in
${cases.join('\n')}
  esac
  _describe -t commands keywright entries || _files
}
compdef _keywright keywright
`
}

function fish(places: readonly Place[]): string {
  const paths = places.filter(({ path }) => path !== '').map(({ path }) => quoted(path))
  const at = (path: string): string => `complete -c keywright -n '__keywright_at "${path}"'`
  const lines = places.flatMap(({ path, commands, options }) => [
    ...commands.map(({ name, summary }) => `${at(path)} -f -a ${name} -d ${quoted(summary)}`),
    ...options.map(
      ({ long, summary, takesValue }) =>
        `${at(path)} -l ${long.slice(2)}${takesValue ? ' -r' : ''} -d ${quoted(summary)}`,
    ),
  ])
  return `# fish completion of keywright: keywright completion fish | source
function __keywright_at
  set -l place ''
  for word in (commandline -opc)[2..]
    if contains -- "$place $word" ${paths.join(' ')}
      set place "$place $word"
    end
  end
  test "$place" = "$argv[1]"
end
${lines.join('\n')}
`
}

const SHELLS: Readonly<Record<string, (places: readonly Place[]) => string>> = { bash, zsh, fish }
