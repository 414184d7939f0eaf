/** The `keywright …` lines of the documents, held against the commands and options that there are. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import type { CommandSpec, OptionSpec } from '../../src/cli/call.ts'
import { run } from '../../src/cli/run.ts'
import { blocksOf, codeSpansOf, ROOT } from './markdown.ts'

const FOLDER = join(ROOT, 'src/cli/specs')

/** Every command at the top. */
export async function allSpecs(): Promise<CommandSpec[]> {
  const files = readdirSync(FOLDER).filter((file) => file !== 'common.ts')
  const modules: object[] = await Promise.all(files.map((file) => import(join(FOLDER, file))))
  return modules.flatMap((exported) => Object.values(exported).flat() as CommandSpec[])
}

/** Options that every command takes, as the help prints them. */
export async function globalOptions(): Promise<OptionSpec[]> {
  const help = await output(['--help'])
  return [...help.matchAll(/^ {2}((?:-\w, )?--[a-z-]+(?: <[a-z-]+>)?) /gm)].map(([, flags = '']) => ({
    flags,
    description: '',
  }))
}

async function output(argv: readonly string[]): Promise<string> {
  let text = ''
  const stdout = new Writable({
    write(chunk, _, done) {
      text += String(chunk)
      done()
    },
  })
  const stderr = new Writable({ write: (_chunk, _, done) => done() })
  const { node, openssl } = process.versions
  const signal = new AbortController().signal
  const stdin = Readable.from([])
  await run(argv, { stdin, stdout, stderr, env: {}, versions: { node, openssl }, now: Date.now, signal })
  return text
}

/** A call as a document writes it. */
export interface WrittenCall {
  readonly line: string
  /** Behind `keywright`. */
  readonly words: readonly string[]
  /** It stands in a block to be copied, so nothing may be missing. */
  readonly isWhole: boolean
}

const WORD = /"(?:\\.|[^"\\])*"|'[^']*'|[^\s'"|;&<>()]+|[|;&<>()]+/g
const isOperator = (word: string): boolean => /^[|;&<>()]+$/.test(word)

/** What may stand before a command. */
const isPrefix = (word: string): boolean => word === 'npx' || /^[A-Z_]+=/.test(word)

/** The calls of keywright in a line of shell, each up to the next operator. */
function callsIn(line: string, isWhole: boolean): WrittenCall[] {
  const shell = line.replace(/npm run quickstart(?: --)?/g, 'keywright quickstart').replace(/(^|\s)#.*$/, '')
  const commands: string[][] = [[]]
  for (const [word] of shell.matchAll(WORD)) {
    if (isOperator(word)) commands.push([])
    else commands.at(-1)?.push(word)
  }
  return commands.flatMap((words) => {
    const at = words.indexOf('keywright')
    const isCalled = at >= 0 && words.slice(0, at).every(isPrefix)
    return isCalled ? [{ line, words: words.slice(at + 1), isWhole }] : []
  })
}

/** Those of the blocks of shell, and of what stands in backticks. */
export function writtenCalls(document: string): WrittenCall[] {
  const shell = blocksOf(document).filter(({ language }) => language === 'sh')
  const lines = shell.flatMap(({ text }) => text.replace(/\\\n\s*/g, ' ').split('\n'))
  // The format has labels that begin like calls: "keywright data key".
  const spans = document === 'docs/format.md' ? [] : codeSpansOf(document)
  return [...lines.flatMap((line) => callsIn(line, true)), ...spans.flatMap((span) => callsIn(span, false))]
}

const nameOf = ({ name }: CommandSpec): string => name.split(' ')[0] ?? ''
const longFlag = ({ flags }: OptionSpec): string => /--[a-z-]+/.exec(flags)?.[0] ?? ''

/** What is wrong with a call; undefined for nothing. */
export function problemOf(
  { isWhole, words }: WrittenCall,
  specs: readonly CommandSpec[],
  globals: readonly OptionSpec[],
): string | undefined {
  let spec: CommandSpec | undefined
  let inner: readonly CommandSpec[] | undefined = specs
  const rest = words[0] === '--json' ? words.slice(1) : [...words]
  while (inner !== undefined && rest[0] !== undefined && !rest[0].startsWith('-')) {
    const next: CommandSpec | undefined = inner.find((one) => nameOf(one) === rest[0])
    if (next === undefined) return `there is no command "${rest[0]}"`
    rest.shift()
    spec = next
    inner = next.commands
  }
  if (spec === undefined) return rest.every((word) => word.startsWith('--')) ? undefined : 'no command'
  return problemOfArguments(spec, rest, [...(spec.options ?? []), ...globals], isWhole)
}

function problemOfArguments(
  spec: CommandSpec,
  words: string[],
  options: readonly OptionSpec[],
  isWhole: boolean,
): string | undefined {
  const values: string[] = []
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '…') continue
    if (word === '--') break // what stands behind it is another program's
    if (!word.startsWith('-') || word === '-') {
      values.push(word)
      continue
    }
    const option = options.find((one) => one.flags.split(/[ ,]+/).includes(word as string))
    if (option === undefined) return `"${nameOf(spec)}" has no option ${word}`
    if (!option.flags.includes('<')) continue
    const value = words.shift()
    if (value === undefined) return `${longFlag(option)} needs a value`
    const isName = /^[a-z-]+$/.test(value)
    if (isName && option.choices?.includes(value) === false) return `${longFlag(option)} is never ${value}`
  }
  const takes = spec.name.match(/[<[][^>\]]+[>\]]/g) ?? []
  const needs = takes.filter((one) => one.startsWith('<')).length
  if (values.length > takes.length) return `"${nameOf(spec)}" does not take ${values.join(' ')}`
  return isWhole && values.length < needs ? `"${nameOf(spec)}" needs ${takes.join(' ')}` : undefined
}
