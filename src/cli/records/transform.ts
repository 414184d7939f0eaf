/** Encrypts or decrypts records one by one, with the fields that a chooser chooses as they appear. */
import { isEncrypted } from '../../data/inspect.ts'
import type { RecordCodec } from '../../data/records.ts'
import { KeywrightError } from '../../errors.ts'
import type { Keywright } from '../../keywright.ts'
import type { Chooser } from './chooser.ts'

/** As deep as the codec goes. */
const MAX_DEPTH = 64

export type Direction = 'encrypt' | 'decrypt'

export interface TransformOptions {
  readonly direction: Direction
  readonly table: string | undefined
  readonly tenant: string | undefined
  /** The member that holds the row's id. */
  readonly rowId: string | undefined
}

export class Transform {
  readonly #keywright: Keywright
  readonly #chooser: Chooser
  readonly #options: TransformOptions
  readonly #fields = new Map<string, string>()
  #codec: RecordCodec | undefined
  /** Values done, by field. */
  readonly counts = new Map<string, number>()
  /** Fields that hold ciphertexts and were left alone. */
  readonly leftEncrypted = new Set<string>()

  constructor(keywright: Keywright, chooser: Chooser, options: TransformOptions) {
    this.#keywright = keywright
    this.#chooser = chooser
    this.#options = options
  }

  /** Fields chosen so far, with their key types. */
  get fields(): ReadonlyMap<string, string> {
    return this.#fields
  }

  /** A copy of `record`; errors name `line`. */
  async apply<R extends Readonly<Record<string, unknown>>>(record: R, line: number): Promise<R> {
    try {
      this.#visit(record, '', 0)
      if (this.#fields.size === 0) return record
      this.#codec ??= this.#newCodec()
      return await this.#codec[this.#options.direction](record)
    } catch (error) {
      throw atLine(error, line)
    }
  }

  #newCodec(): RecordCodec {
    const { table, tenant, rowId } = this.#options
    return this.#keywright.records({
      fields: Object.fromEntries(this.#fields),
      ...(table === undefined ? {} : { table }),
      ...(tenant === undefined ? {} : { tenant }),
      ...(rowId === undefined ? {} : { row: rowId }),
    })
  }

  /** Finds chosen fields: paths are as the codec makes them, elements of an array share the path of the array. */
  #visit(record: Readonly<Record<string, unknown>>, prefix: string, depth: number): void {
    if (depth > MAX_DEPTH) {
      throw new KeywrightError('ERR_INPUT_INVALID', `the record is nested deeper than ${MAX_DEPTH} levels`, {
        hint: 'flatten it, or name the field that holds the rest with --field',
      })
    }
    for (const name of Object.keys(record)) {
      const value = record[name]
      if (value === null || value === undefined) continue
      const path = prefix + name
      const { keyType } = this.#chooser.choose(path)
      if (keyType !== undefined) this.#take(path, keyType, value)
      else if (typeof value === 'object') this.#visitInside(value, path, depth + 1)
      else if (this.#options.direction === 'decrypt' && isEncrypted(value)) this.leftEncrypted.add(path)
    }
  }

  #visitInside(value: object, path: string, depth: number): void {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (typeof one === 'object' && one !== null && !Array.isArray(one)) this.#visit(one, `${path}.`, depth)
    }
  }

  #take(path: string, keyType: string, value: unknown): void {
    if (this.#options.direction === 'encrypt' && isEncrypted(value)) {
      throw new KeywrightError('ERR_INPUT_INVALID', `field "${path}" is encrypted already`, {
        hint: `was this file encrypted before? leave the column alone with --field ${path}=none`,
      })
    }
    this.counts.set(path, (this.counts.get(path) ?? 0) + 1)
    if (this.#fields.has(path)) return
    this.#fields.set(path, keyType)
    this.#codec = undefined
  }
}

/** The same error, saying in which line. */
function atLine(error: unknown, line: number): unknown {
  if (!(error instanceof KeywrightError)) return error
  return new KeywrightError(error.code, `line ${line}: ${error.message}`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    details: { ...error.details, line },
  })
}
