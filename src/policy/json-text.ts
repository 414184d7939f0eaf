/**
 * JSON (RFC 8259) with errors that can be shown: JSON.parse repeats the text around a mistake, which may be a secret.
 * A member that is there twice is refused: readers of one document must not disagree about it.
 */
import { KeywrightError } from '../errors.ts'

/** Deeper nesting is refused before anything could overflow. */
const DEEPEST = 64

/** Larger is no policy but the wrong file. */
const LONGEST_TEXT = 4 * 2 ** 20

/** The value of `text`. Throws ERR_POLICY_INVALID with line and column, and nothing of the text but member names. */
export function parseJsonText(text: string, source: string): unknown {
  const json = text.startsWith('\uFEFF') ? text.slice(1) : text
  if (json.trim() === '') throw invalid(`${source} is empty`, 'write at least {}')
  if (json.length > LONGEST_TEXT)
    throw invalid(`${source} is too long for a policy document`, 'check the path')
  const mistake = new Scanner(json).scan()
  if (mistake !== undefined) {
    const before = json.slice(0, mistake.at).split(/\r\n|\n|\r/)
    const place = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
    throw invalid(`${source} is not usable JSON: ${place}: ${mistake.what}`, 'correct the text at that place')
  }
  return JSON.parse(json)
}

function invalid(message: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_POLICY_INVALID', message, { hint })
}

class Mistake {
  readonly at: number
  readonly what: string

  constructor(at: number, what: string) {
    this.at = at
    this.what = what
  }
}

const SPACE = /[ \t\n\r]*/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const WORD = /(?:true|false|null)/y

/** Walks over a JSON text and finds its first mistake. */
class Scanner {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  scan(): Mistake | undefined {
    try {
      this.#value(0)
      if (this.#at < this.#text.length) this.#fail('text after the end of the document')
      return undefined
    } catch (mistake) {
      if (mistake instanceof Mistake) return mistake
      throw mistake
    }
  }

  #fail(what: string, at = this.#at): never {
    throw new Mistake(at, at >= this.#text.length ? 'the text ends too soon' : what)
  }

  /** Takes what `pattern` matches here. */
  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  /** Takes the character, and space on both sides. */
  #takeSign(sign: string): boolean {
    this.#take(SPACE)
    if (this.#text[this.#at] !== sign) return false
    this.#at++
    this.#take(SPACE)
    return true
  }

  #value(depth: number): void {
    if (depth > DEEPEST) this.#fail('nested too deeply')
    this.#take(SPACE)
    if (this.#takeSign('{')) this.#object(depth)
    else if (this.#takeSign('[')) this.#array(depth)
    else if (this.#text[this.#at] === '"') this.#string()
    else if (this.#take(NUMBER) === undefined && this.#take(WORD) === undefined)
      this.#fail('expected a value')
    this.#take(SPACE)
  }

  #string(): string {
    const start = this.#at
    this.#at++
    while (this.#text[this.#at] !== '"') {
      if (!(this.#text.charCodeAt(this.#at) >= 0x20))
        this.#fail('a control character, or a string without its end')
      if (this.#text[this.#at] !== '\\') this.#at++
      else if (this.#take(ESCAPE) === undefined) this.#fail('an escape that JSON does not have')
    }
    this.#at++
    return this.#text.slice(start, this.#at)
  }

  #array(depth: number): void {
    if (this.#takeSign(']')) return
    do this.#value(depth + 1)
    while (this.#takeSign(','))
    if (!this.#takeSign(']')) this.#fail('expected "," or "]"')
  }

  #object(depth: number): void {
    if (this.#takeSign('}')) return
    const names = new Set<string>()
    do {
      const start = this.#at
      if (this.#text[start] !== '"') this.#fail('expected a member name in double quotes')
      const name = JSON.parse(this.#string()) as string
      if (names.has(name)) this.#fail(`the member ${JSON.stringify(name.slice(0, 80))} is there twice`, start)
      names.add(name)
      if (!this.#takeSign(':')) this.#fail('expected ":"')
      this.#value(depth + 1)
    } while (this.#takeSign(','))
    if (!this.#takeSign('}')) this.#fail('expected "," or "}"')
  }
}
