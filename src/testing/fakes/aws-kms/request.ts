/** The members of a request: what is missing, misspelt or of the wrong type is refused, as nothing of ours sends it. */
import { Refusal } from './refusal.ts'

type Json = Readonly<Record<string, unknown>>

export class Request {
  readonly #members: Json
  readonly #read = new Set<string>()

  constructor(body: string) {
    this.#members = parse(body)
  }

  text(name: string): string {
    const value = this.maybeText(name)
    if (value === undefined || value === '') throw missing(name)
    return value
  }

  maybeText(name: string): string | undefined {
    const value = this.#take(name)
    if (value === undefined || typeof value === 'string') return value
    throw new Refusal('SerializationException', `${name} is no string`)
  }

  /** Base64 of `least` to `most` bytes. */
  bytes(name: string, most: number): Buffer {
    const text = this.text(name)
    const bytes = Buffer.from(text, 'base64')
    if (bytes.toString('base64') !== text) throw new Refusal('SerializationException', `${name} is no base64`)
    if (bytes.length >= 1 && bytes.length <= most) return bytes
    throw new Refusal('ValidationException', `Value at '${name}' must have length between 1 and ${most}`)
  }

  flag(name: string): boolean {
    return this.#take(name) === true
  }

  number(name: string, fallback: number): number {
    const value = this.#take(name) ?? fallback
    if (typeof value === 'number') return value
    throw new Refusal('SerializationException', `${name} is no number`)
  }

  texts(name: string): readonly string[] {
    const value = this.#take(name) ?? []
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value
    throw new Refusal('SerializationException', `${name} is no list of strings`)
  }

  map(name: string): Readonly<Record<string, string>> {
    const value = this.#take(name) ?? {}
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (isMap && Object.values(value).every((one) => typeof one === 'string')) return { ...value }
    throw new Refusal('SerializationException', `${name} is no map of strings`)
  }

  /** Nothing may be left over. */
  end(): void {
    const rest = Object.keys(this.#members).filter((name) => !this.#read.has(name))
    if (rest.length > 0) throw new Refusal('SerializationException', `unknown: ${rest.join(', ')}`)
  }

  #take(name: string): unknown {
    this.#read.add(name)
    return this.#members[name]
  }
}

function parse(body: string): Json {
  try {
    return Object(JSON.parse(body)) as Json
  } catch {
    throw new Refusal('SerializationException', 'the body is no JSON')
  }
}

const missing = (name: string): Refusal =>
  new Refusal('ValidationException', `Value null at '${name}' failed to satisfy constraint: must not be null`)
