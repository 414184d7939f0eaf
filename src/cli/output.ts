/**
 * Where things are said. Results go to standard output; notes, warnings and errors to standard error under the
 * program's name. With --json a result is one JSON document, and what is said beside it is one JSON object per line.
 */
import { Writable } from 'node:stream'
import type { KeywrightError } from '../errors.ts'
import { type Io, isInteractive, write } from './io.ts'
import { type Cell, type Column, facts, paint, printable, table } from './text.ts'

export interface OutputOptions {
  readonly json: boolean
  readonly quiet: boolean
}

export class Output {
  readonly json: boolean
  readonly quiet: boolean
  /** Whether standard output takes colours. */
  readonly colours: boolean
  readonly #io: Io
  readonly #errorColours: boolean

  constructor(io: Io, options: OutputOptions) {
    this.#io = io
    this.json = options.json
    this.quiet = options.quiet
    const wanted = (io.env['NO_COLOR'] ?? '') === '' && io.env['TERM'] !== 'dumb'
    this.colours = wanted && io.stdout.isTTY === true
    this.#errorColours = wanted && io.stderr.isTTY === true
  }

  /** The same without any word on standard error, for what is asked by the way. */
  silenced(): Output {
    const mute = new Writable({ write: (_chunk, _encoding, done) => done() })
    return new Output({ ...this.#io, stderr: mute }, { json: this.json, quiet: true })
  }

  /** The result of a command: `value` with --json, else `text`. */
  async result(value: unknown, text: string): Promise<void> {
    await write(this.#io.stdout, this.json ? toJson(value, 2) : text)
  }

  /** One of many results, as they come: a JSON line, or `text` with its line feed. */
  async item(value: unknown, text: string): Promise<void> {
    await write(this.#io.stdout, this.json ? toJson(value) : `${text}\n`)
  }

  /** Data as it is. */
  async data(data: string | Uint8Array): Promise<void> {
    await write(this.#io.stdout, data)
  }

  table(columns: readonly Column[], rows: readonly (readonly (string | Cell)[])[]): string {
    return table(columns, rows, this.colours)
  }

  facts(rows: readonly (readonly [name: string, value: string | Cell | undefined])[]): string {
    return facts(rows, this.colours)
  }

  /** What is good to know. Not with --quiet, not with --json. */
  async note(message: string): Promise<void> {
    if (this.quiet || this.json) return
    await this.#say(`${this.#name()} ${message}\n`)
  }

  /** What may go wrong. */
  async warn(message: string, hint?: string): Promise<void> {
    if (this.json) return this.#say(toJson({ warning: { message, ...(hint === undefined ? {} : { hint }) } }))
    const label = paint('warning:', 'yellow', this.#errorColours)
    await this.#say(`${this.#name()} ${label} ${message}\n${this.#hint(hint)}`)
  }

  /** Why the command failed. */
  async error(error: KeywrightError): Promise<void> {
    const { code, message, hint, details } = error
    if (this.json)
      return this.#say(
        toJson({
          error: {
            code,
            message,
            ...(hint === undefined ? {} : { hint }),
            ...(Object.keys(details).length === 0 ? {} : { details }),
          },
        }),
      )
    const [first = '', ...rest] = message.split('\n').map(printable) // of ours: a list of problems has lines
    const head = `${this.#name()} ${first.trimEnd()} ${paint(`(${code})`, 'dim', this.#errorColours)}`
    await this.#say(`${[head, ...rest].join('\n')}\n${this.#hint(hint)}`)
  }

  /** A line that the next one replaces, for a person who waits; an empty text removes it. */
  async status(text: string): Promise<void> {
    if (!this.showsStatus) return
    await this.#say(`\r\u001b[2K${text === '' ? '' : `${this.#name()} ${text}`}`)
  }

  /** How far a long command is, for a program that waits: a JSON line on standard error, with --json alone. */
  async event(value: unknown): Promise<void> {
    if (this.json && !this.quiet) await this.#say(toJson(value))
  }

  get showsStatus(): boolean {
    return this.#io.stderr.isTTY === true && !this.quiet && !this.json
  }

  /** Whether a person can be asked; never with --json. */
  get asks(): boolean {
    return !this.json && isInteractive(this.#io)
  }

  #name(): string {
    return paint('keywright:', 'bold', this.#errorColours)
  }

  #hint(hint: string | undefined): string {
    return hint === undefined ? '' : `${paint('hint:', 'cyan', this.#errorColours)} ${printable(hint)}\n`
  }

  /** Nobody may be listening there; that is no reason to fail. */
  async #say(text: string): Promise<void> {
    await write(this.#io.stderr, text).catch(() => undefined)
  }
}

/** JSON has no Infinity and no bigint: 'never' and the digits stand for them. */
function toJson(value: unknown, indent?: number): string {
  const plain = (_: string, member: unknown): unknown => {
    if (typeof member === 'bigint') return String(member)
    return member === Number.POSITIVE_INFINITY ? 'never' : member
  }
  return `${JSON.stringify(value, plain, indent)}\n`
}
