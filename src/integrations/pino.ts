/**
 * Named fields of pino's log lines, encrypted.
 *
 * Use `encryptedFields`: it works in the logging call itself, as pino's own `redact`, so that no line with the clear value
 * ever exists, in any target. `encryptingTransport` is for loggers whose options cannot be changed: it runs behind pino, mostly
 * in a worker thread, and everything before it, other targets included, sees the clear values.
 *
 * Neither looks into the text of messages. Values are JSON, under the context keyring, `table: log_fields`, `column`: the
 * log's name, `row`: the field's name.
 */
import { type Duplex, Transform } from 'node:stream'
import type { Field } from '../data/field.ts'
import { isEncrypted } from '../data/inspect.ts'
import { type ErrorCode, KeywrightError } from '../errors.ts'
import type { Keywright } from '../keywright.ts'
import { fieldAt } from './shared/field-at.ts'
import { fieldName, matchesPath, parsePath, replaceAt } from './shared/field-paths.ts'
import { toJsonText } from './shared/json-text.ts'

export interface LogFieldOptions {
  /** The log's name: what the values are bound to, beside the name of their field. */
  readonly log: string
  /** Which fields, in the syntax of pino's `redact`: 'user.email', '*.ssn', 'items[*].card'. `*` is one level. */
  readonly paths: readonly string[]
  /** @default 'audit_logs' */
  readonly keyType?: string
  readonly tenant?: string
  /** Is told of values that could not be encrypted; in the log stands `[not encrypted: <code>]` in their place. */
  readonly onError?: (error: KeywrightError) => void
}

export interface EncryptedFieldOptions extends LogFieldOptions {
  /** Fields to censor altogether: pino has only one `redact`. A field in both is censored. @default none */
  readonly censored?: readonly string[]
}

/** A part of pino's options. */
export interface RedactOptions {
  readonly redact: {
    paths: string[]
    censor: (value: unknown, path: string[]) => unknown
  }
}

const CENSORED = '[Redacted]'

/**
 * Options for pino that encrypt fields in place, without waiting; of child loggers' bindings and interpolated objects
 * too:
 *
 *     const logger = pino({ ...(await encryptedFields(kw, { log: 'api', paths: ['user.email', '*.ssn'] })) })
 *
 * Logging never fails for it: a value that cannot be encrypted now (the key store down for longer than the policy serves,
 * no leased messages left in a tight loop) is withheld, never written in clear.
 *
 * Throws ERR_ARGUMENT_INVALID, ERR_KEY_TYPE_UNKNOWN, ERR_TENANT_INVALID, and what loading the key throws.
 */
export async function encryptedFields(kw: Keywright, options: EncryptedFieldOptions): Promise<RedactOptions> {
  const { paths, censored = [] } = options
  const values = new LogValues(kw, options)
  for (const path of paths) parsePath(path)
  const shut = censored.map(parsePath)
  await values.field.ready()
  values.field.encryptSync('', { row: '' }) // a key type that has no synchronous form is said now
  return {
    redact: {
      paths: [...paths, ...censored],
      censor(value, symbols) {
        // For a path that begins with * pino does not tell the first name, but gives a symbol of its own.
        const path = symbols.map((name) => (typeof name === 'string' ? name : '*'))
        if (shut.some((pattern) => matchesPath(pattern, path))) return CENSORED
        return value === undefined || value === null ? value : values.sealSync(value, path)
      },
    },
  }
}

/**
 * A transport of pino, for `transport.pipeline` in front of what writes: lines in, lines with their fields encrypted
 * out. Make it in a file of yours, which pino runs in its worker:
 *
 *     export default async (options) => encryptingTransport(await open(), { ...options, log: 'api' })
 *
 * Throws ERR_DEPENDENCY_MISSING without pino-abstract-transport, and as `encryptedFields` does.
 */
export async function encryptingTransport(kw: Keywright, options: LogFieldOptions): Promise<Duplex> {
  const values = new LogValues(kw, options)
  const patterns = options.paths.map(parsePath)
  const build = await abstractTransport()
  const encrypting = () =>
    new Transform({
      objectMode: true,
      transform(line: unknown, _encoding, done) {
        replaceAt(line, patterns, (value, path) => values.seal(value, path)).then(
          () => done(null, `${JSON.stringify(line)}\n`),
          done,
        )
      },
    })
  return build(
    (source) => {
      source.on('unknown', () => values.report('ERR_NOT_CIPHERTEXT', 'a line that is no JSON was dropped'))
      const transform = encrypting()
      source.pipe(transform)
      return transform as never
    },
    { enablePipelining: true },
  )
}

/**
 * A line of JSON with its fields decrypted, as a parsed object. Throws, naming the field, when a value does not
 * open; what was withheld stays as it is.
 */
export async function decryptFields(
  kw: Keywright,
  line: string,
  options: Pick<LogFieldOptions, 'log' | 'paths' | 'keyType' | 'tenant'>,
): Promise<Record<string, unknown>> {
  const values = new LogValues(kw, options)
  const parsed = parseLine(line)
  await replaceAt(parsed, options.paths.map(parsePath), (value, path) => values.open(value, path))
  return parsed
}

class LogValues {
  readonly field: Field<string>
  readonly #kw: Keywright
  readonly #options: Omit<LogFieldOptions, 'paths'>
  #loading = false

  constructor(kw: Keywright, options: Omit<LogFieldOptions, 'paths'>) {
    if (typeof options.log !== 'string' || options.log === '')
      throw new KeywrightError('ERR_ARGUMENT_INVALID', 'the log has no name', {
        hint: 'pass { log: … }: values are bound to it',
      })
    const { log, keyType, tenant } = options
    const keys = {
      ...(keyType === undefined ? {} : { keyType }),
      ...(tenant === undefined ? {} : { tenant }),
    }
    this.field = fieldAt(kw, { table: 'log_fields', column: log }, keys, 'audit_logs')
    this.#kw = kw
    this.#options = options
  }

  sealSync(value: unknown, path: readonly string[]): string {
    try {
      return this.field.encryptSync(toJsonText(value, 'the value'), { row: fieldName(path) })
    } catch (error) {
      this.#load()
      return this.#withheld(error, path)
    }
  }

  async seal(value: unknown, path: readonly string[]): Promise<string> {
    try {
      return await this.field.encrypt(toJsonText(value, 'the value'), { row: fieldName(path) })
    } catch (error) {
      return this.#withheld(error, path)
    }
  }

  async open(value: unknown, path: readonly string[]): Promise<unknown> {
    if (typeof value !== 'string' || !isEncrypted(value)) return value
    try {
      return JSON.parse(await this.field.decrypt(value, { row: fieldName(path) }))
    } catch (error) {
      if (!(error instanceof KeywrightError)) throw error
      const { code, message, hint, details } = error
      throw new KeywrightError(code, `log field "${fieldName(path)}": ${message}`, {
        ...(hint === undefined ? {} : { hint }),
        details: { ...details, field: fieldName(path) },
      })
    }
  }

  report(code: ErrorCode, message: string): void {
    this.#tell(
      new KeywrightError(code, message, { hint: 'pino writes JSON; something else wrote to its stream' }),
    )
  }

  #withheld(error: unknown, path: readonly string[]): string {
    const known = error instanceof KeywrightError
    const failure = known ? error : new KeywrightError('ERR_INTERNAL', 'a log field could not be encrypted')
    const { code, message, hint, details } = failure
    this.#tell(
      new KeywrightError(code, `log field "${fieldName(path)}" was withheld: ${message}`, {
        ...(hint === undefined ? {} : { hint }),
        details: { ...details, field: fieldName(path) },
      }),
    )
    return `[not encrypted: ${code}]`
  }

  #tell(error: KeywrightError): void {
    try {
      this.#options.onError?.(error)
    } catch {
      // Telling that logging is impaired must not stop the program.
    }
  }

  /** What is missing now is there for one of the next calls. */
  #load(): void {
    if (this.#loading) return
    this.#loading = true
    const done = (): void => {
      this.#loading = false
    }
    const { keyType = 'audit_logs', tenant } = this.#options
    this.#kw.ready([keyType], tenant === undefined ? {} : { tenant }).then(done, done)
  }
}

function parseLine(line: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(line)
    if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>
  } catch {
    // the same as for a number
  }
  throw new KeywrightError('ERR_INPUT_INVALID', 'the log line is no JSON object', {
    hint: 'pass lines as pino writes them, one at a time',
  })
}

async function abstractTransport() {
  try {
    return (await import('pino-abstract-transport')).default
  } catch {
    throw new KeywrightError('ERR_DEPENDENCY_MISSING', 'cannot import pino-abstract-transport', {
      hint: 'npm install pino-abstract-transport',
    })
  }
}
