/** What a command is (a row in specs/) and what its action gets. */
import type { Command } from 'commander'
import { KeywrightError } from '../errors.ts'
import type { Io } from './io.ts'
import type { Output } from './output.ts'

/** Options by the name commander gives them: '--row-id' is 'rowId'. */
export class Options {
  readonly #values: Readonly<Record<string, unknown>>

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values
  }

  text(name: string): string | undefined {
    const value = this.#values[name]
    return typeof value === 'string' ? value : undefined
  }

  /** Throws ERR_ARGUMENT_INVALID when it is not given or empty. */
  required(name: string, hint: string): string {
    const value = this.text(name)
    if (value !== undefined && value.trim() !== '') return value
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `--${flag} is missing`, { hint })
  }

  flag(name: string): boolean {
    return this.#values[name] === true
  }

  list(name: string): readonly string[] {
    const value = this.#values[name]
    return Array.isArray(value) ? value : []
  }
}

export interface Call {
  readonly io: Io
  readonly output: Output
  /** The arguments in their order; one that may be left out may be undefined. */
  readonly args: readonly (string | undefined)[]
  readonly options: Options
  /** The options that every command takes. */
  readonly global: Options
  /** The whole tree of commands. */
  readonly program: Command
  /** Runs `undo` (which must not wait) when the program is interrupted before `done` is called. */
  onInterrupt(undo: () => void): { done(): void }
  /** Work that ends by itself when `io.signal` is aborted, and frees what it holds: the program waits for it a while. */
  orderly<T>(work: Promise<T>): Promise<T>
}

/** Resolves to the exit code; nothing is 0. */
export type Action = (call: Call) => Promise<number | undefined>

export interface OptionSpec {
  /** As commander takes them: '--tenant <name>'. */
  readonly flags: string
  readonly description: string
  /** May be given several times. */
  readonly repeat?: boolean
  readonly choices?: readonly string[]
}

export interface CommandSpec {
  /** Name and arguments: 'rotate [key-type]'. */
  readonly name: string
  readonly summary: string
  /** Further sentences for --help. */
  readonly details?: string
  readonly options?: readonly OptionSpec[]
  /** Commands (without 'keywright') and what they do. */
  readonly examples?: readonly (readonly [command: string, what: string])[]
  /** Loads the action; nothing of it is loaded before the command runs. */
  readonly load?: () => Promise<Action>
  readonly commands?: readonly CommandSpec[]
}

/** Wrong use of the command line. */
export function wrongUse(message: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', message, { hint })
}
