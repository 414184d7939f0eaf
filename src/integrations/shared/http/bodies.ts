/** Bodies of HTTP messages, encrypted as a whole or at named places of their JSON. */
import type { RecordField, RecordOptions } from '../../../data/records.ts'
import { KeywrightError } from '../../../errors.ts'
import { type KeywrightSource, keywrightOf } from '../source.ts'
import { wrongType } from './problem.ts'

/** The media type of a body that is encrypted as a whole. Its parameter "type" is the type of what is inside. */
const ENCRYPTED_TYPE = 'application/vnd.keywright'
const DEFAULT_LIMIT = 1024 * 1024
const OCTETS = 'application/octet-stream'

export interface BodyOptions<R> {
  /**
   * What these bodies are: 'users.create'. They are bound to it, so that a body, or a field of one, taken from
   * elsewhere does not open here. Both sides give the same name.
   */
  readonly name: string
  /** The key type. Required for whole bodies; for `paths` the policy's selectors are asked without it. */
  readonly keyType?: string
  /**
   * The places of a JSON body to encrypt, everything else staying readable: `['user.ssn', 'items[*].card']`, or with
   * key type or value type `{ 'user.ssn': 'pii', 'items[*].limit': { keyType: 'financial_data', as: 'number' } }`.
   * @default the whole body
   */
  readonly paths?: readonly string[] | Readonly<Record<string, string | RecordField>>
  /** The tenant whose keys are used, from what has authenticated the request. @default none */
  readonly tenant?: (request: R) => string | undefined
  /** Binds bodies to a row as well, a user or a session; both sides give the same. @default not bound */
  readonly row?: (request: R) => string
  /** Bytes of a body at most, in either direction; it is kept in memory as a whole. @default 1 MiB */
  readonly limit?: number
  /** Is told every error with its reason; clients are told only what concerns them. @default nobody is told */
  readonly onError?: (error: unknown, request: R) => void
}

/** A whole body on its way. */
export interface EncryptedBody {
  readonly body: Buffer
  /** For the header Content-Type: it is needed to decrypt. */
  readonly contentType: string
}

export interface PlainBody {
  readonly body: Buffer
  readonly contentType: string
}

/** Throws ERR_ARGUMENT_INVALID for options that do not go together. */
export class Bodies<R> {
  readonly limit: number
  /** Whether bodies are encrypted as a whole. */
  readonly isWhole: boolean
  readonly #source: KeywrightSource
  readonly #options: BodyOptions<R>
  readonly #fields: RecordOptions['fields']

  constructor(source: KeywrightSource, options: BodyOptions<R>) {
    this.#source = source
    this.#options = options
    this.limit = options.limit ?? DEFAULT_LIMIT
    this.isWhole = options.paths === undefined
    if (typeof options.name !== 'string' || options.name === '')
      throw wrong('"name" says what the bodies are')
    if (!(Number.isSafeInteger(this.limit) && this.limit > 0)) throw wrong('"limit" is a number of bytes')
    if (this.isWhole && options.keyType === undefined)
      throw wrong('a whole body needs a "keyType"; name "paths" to encrypt parts of it')
    this.#fields = options.paths === undefined ? undefined : fieldsOf(options.paths, options.keyType)
  }

  /** Encrypts a whole body. */
  async encryptWhole(plain: Uint8Array, contentType: string | undefined, request: R): Promise<EncryptedBody> {
    const type = contentType === undefined || !isQuotable(contentType) ? OCTETS : contentType
    const body = await this.#field(type, request).encryptToBytes(plain, this.#row(request))
    return { body, contentType: `${ENCRYPTED_TYPE}; type="${type}"` }
  }

  /** The reverse, of wire bytes or of `kw1.` text. Refuses other content types. */
  async decryptWhole(body: Uint8Array, contentType: string | undefined, request: R): Promise<PlainBody> {
    const type = innerType(contentType)
    if (type === undefined) throw wrongType(ENCRYPTED_TYPE)
    const wire = body[0] === KW1 ? Buffer.from(body).toString('latin1') : body
    const plain = await this.#field(type, request).decrypt(wire, this.#row(request))
    return { body: Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength), contentType: type }
  }

  /** Encrypts the named places of a JSON value. */
  encryptJson(value: unknown, request: R): Promise<unknown> {
    const codec = this.#records(request)
    return eachRecord(value, (record) => codec.encrypt(record))
  }

  /** The reverse. What stands there in clear is refused. */
  decryptJson(value: unknown, request: R): Promise<unknown> {
    const codec = this.#records(request)
    return eachRecord(value, (record) => codec.decrypt(record))
  }

  /** Tells whoever wants to know. The client gets its answer even if that fails. */
  report(error: unknown, request: R): void {
    try {
      this.#options.onError?.(error, request)
    } catch {}
  }

  #field(type: string, request: R) {
    const { name, keyType = '' } = this.#options
    const place = { table: name, column: 'body', context: { type } }
    return keywrightOf(this.#source).field(keyType, { as: 'bytes', ...place, ...this.#tenant(request) })
  }

  #records(request: R) {
    const { name, row } = this.#options
    return keywrightOf(this.#source).records({
      table: name,
      ...(this.#fields === undefined ? {} : { fields: this.#fields }),
      ...(row === undefined ? {} : { row: () => row(request) }),
      ...this.#tenant(request),
    })
  }

  #tenant(request: R): { tenant?: string } {
    const tenant = this.#options.tenant?.(request)
    return tenant === undefined ? {} : { tenant }
  }

  #row(request: R): { row?: string } {
    const { row } = this.#options
    return row === undefined ? {} : { row: row(request) }
  }
}

const KW1 = 'k'.charCodeAt(0)
const INNER = /^application\/vnd\.keywright(?:\s*;\s*type="([^"\\]{1,200})")?\s*$/i

/** The type inside an encrypted body; undefined when it is none. */
function innerType(contentType: string | undefined): string | undefined {
  const match = INNER.exec(contentType ?? '')
  return match === null ? undefined : (match[1] ?? OCTETS)
}

const isQuotable = (type: string): boolean => /^[\x20-\x7e]{1,200}$/.test(type) && !/["\\]/.test(type)

/** Whether a content type is JSON: application/json and everything that ends in +json. */
export function isJson(contentType: string | undefined): boolean {
  return /^[\w.+-]+\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(contentType ?? '')
}

/** The value of JSON text. Throws ERR_INPUT_INVALID. */
export function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    throw new KeywrightError('ERR_INPUT_INVALID', 'the body is not JSON', {
      hint: 'send well-formed JSON in UTF-8',
    })
  }
}

/** Lists are taken element by element; what is no object has no paths. */
async function eachRecord(
  value: unknown,
  change: (record: Record<string, unknown>) => Promise<unknown>,
): Promise<unknown> {
  if (Array.isArray(value)) {
    const done: unknown[] = []
    for (const element of value) done.push(await eachRecord(element, change))
    return done
  }
  return typeof value === 'object' && value !== null ? change(value as Record<string, unknown>) : value
}

/** Paths as records take them: lists are walked without saying so. */
function fieldsOf(
  paths: NonNullable<BodyOptions<never>['paths']>,
  keyType: string | undefined,
): RecordOptions['fields'] {
  const stated = isList(paths)
    ? paths.map((path): [string, RecordField] => [path, {}])
    : Object.entries(paths)
  const fields = stated.map(([path, of]) => {
    const plain = path.replaceAll('[*]', '').replace(/^\./, '')
    if (plain === '' || !/^[^.[\]$]+(\.[^.[\]$]+)*$/.test(plain))
      throw wrong("paths look like 'user.ssn' or 'items[*].card'")
    const more = typeof of === 'string' ? { keyType: of } : of
    return [plain, { ...(keyType === undefined ? {} : { keyType }), ...more }] as const
  })
  if (fields.length === 0) throw wrong('"paths" names no place')
  return Object.fromEntries(fields)
}

const isList = (paths: object): paths is readonly string[] => Array.isArray(paths)

function wrong(hint: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', 'the options of an encrypted body do not go together', {
    hint,
  })
}
