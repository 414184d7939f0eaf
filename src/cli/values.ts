/** Values as commands take them: argument, standard input, file or variable; and the small texts of options. */
import { readFile } from 'node:fs/promises'
import type { Context } from '../crypto/canonical.ts'
import { KeywrightError } from '../errors.ts'
import { readDuration } from '../policy/duration.ts'
import { type Call, wrongUse } from './call.ts'
import { askSecret } from './prompts.ts'

/** Values are held in memory; tables go through `records`. */
const MAX_BYTES = 64 * 2 ** 20

const LF = 0x0a
const CR = 0x0d

export interface ValueRequest {
  /** The argument, if there was one. */
  readonly argument: string | undefined
  /** What it is, for messages: 'value'. */
  readonly what: string
  /** It is a secret: warn when it is an argument, hide it when it is typed. */
  readonly secret: boolean
}

/** The bytes of a value, from wherever it was given. Throws ERR_ARGUMENT_INVALID when it was given twice. */
export async function readValue(call: Call, request: ValueRequest): Promise<Buffer> {
  const { argument, what } = request
  const file = call.options.text('valueFile')
  const name = call.options.text('valueEnv')
  const inline = argument === '-' ? undefined : argument
  if ([file, name, inline].filter((given) => given !== undefined).length > 1) {
    throw wrongUse(`the ${what} is given more than once`, 'give it as argument, --value-file or --value-env')
  }
  if (inline !== undefined) return fromArgument(call, inline, request)
  if (name !== undefined) return fromVariable(call, name)
  return trimmed(call, await (file === undefined ? fromInput(call, request) : readInput(file)))
}

async function fromArgument(call: Call, text: string, { secret, what }: ValueRequest): Promise<Buffer> {
  if (secret && call.options.flag('argvWarning')) await warnOfArgument(call, what)
  return Buffer.from(text)
}

async function warnOfArgument({ output }: Call, what: string): Promise<void> {
  await output.warn(
    `the ${what} on the command line is visible in the process list and in the history of the shell`,
    'pass it on standard input, with --value-file or --value-env; --no-argv-warning silences this',
  )
}

function fromVariable({ io }: Call, name: string): Buffer {
  const value = io.env[name]
  if (value !== undefined) return Buffer.from(value)
  throw wrongUse(
    'the variable of --value-env is not set',
    'name an environment variable that holds the value',
  )
}

async function fromInput(call: Call, { secret, what }: ValueRequest): Promise<Buffer> {
  const { io, output } = call
  if (secret && output.asks) return Buffer.from(await askSecret(io, `The ${what}`))
  if (io.stdin.isTTY === true) await output.note(`reading the ${what} from the terminal; Ctrl-D ends it`)
  return readAll(io.stdin)
}

/** Everything a stream gives. Throws ERR_INPUT_INVALID beyond the limit. */
export async function readAll(stream: AsyncIterable<Uint8Array | string>): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk)
    length += bytes.length
    if (length > MAX_BYTES) {
      throw new KeywrightError('ERR_INPUT_INVALID', 'the value is longer than 64 MiB', {
        hint: 'this command is for single values; tables go through `keywright records`',
      })
    }
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}

/** A file that is named as input. Throws ERR_INPUT_INVALID. */
export async function readInput(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw cannotRead(path, error)
  }
}

export function cannotRead(path: string, error: unknown): KeywrightError {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException
  return new KeywrightError('ERR_INPUT_INVALID', `cannot read ${path} (${code})`, {
    hint: 'check the path, and that you may read it',
    details: { path },
  })
}

/** Without the one line feed that `echo` and editors put at the end, unless --raw. */
function trimmed({ options }: Call, bytes: Buffer): Buffer {
  if (options.flag('raw') || bytes.at(-1) !== LF) return bytes
  return bytes.subarray(0, bytes.at(-2) === CR ? -2 : -1)
}

/** `name=value` pairs. Throws ERR_CONTEXT_INVALID for one without '=', and for a name that comes twice. */
export function parseContext(pairs: readonly string[]): Context {
  const context: Record<string, string> = Object.create(null)
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    const name = pair.slice(0, at)
    if (at <= 0 || Object.hasOwn(context, name)) {
      throw new KeywrightError(
        'ERR_CONTEXT_INVALID',
        '--context is not name=value, or names something twice',
        {
          hint: 'write --context table=users --context column=ssn',
        },
      )
    }
    context[name] = pair.slice(at + 1)
  }
  return context
}

/** The key id of an argument. Throws ERR_ARGUMENT_INVALID. */
export function parseKeyId(text: string | undefined): number {
  const id = /^[0-9]{1,10}$/.test(text ?? '') ? Number(text) : 0
  if (id >= 1 && id <= 0xffffffff) return id
  throw wrongUse('not a key id', 'a key id is a number, as `keywright keys list` shows it')
}

/** A count of an option. Throws ERR_ARGUMENT_INVALID. */
export function parseCount(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text)
  throw wrongUse(`--${option} is not a whole number from 1`, `write --${option} 20`)
}

/** A date, a time, or a span before now ('7d'), in ms since the epoch. Throws ERR_ARGUMENT_INVALID. */
export function parseTime(option: string, text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined
  const before = readDuration(text)
  if (before !== undefined) return now - before
  const form = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/
  const time = form.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(time)) return time
  throw wrongUse(
    `--${option} is not a time`,
    'write 2026-05-01, 2026-05-01T09:00:00Z, or a span before now such as 7d',
  )
}
