/** A column of search tokens beside an encrypted one. What is not a token never gets into it. */
import type { BlindIndex, HashOptions } from '../../data/search/blind-index.ts'
import { KeywrightError } from '../../errors.ts'
import { located } from './place.ts'
import { type KeywrightSource, madeFor } from './source.ts'

export interface SearchOptions extends HashOptions {
  readonly tenant?: string
}

/** A token that is one already, so that a value which looks like a token is hashed like any other. */
export class SearchToken {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toString(): string {
    return this.text
  }

  toJSON(): string {
    return this.text
  }
}

/** `of` is the encrypted field: 'users.email'. */
export class SearchColumn {
  readonly #of: string
  readonly #index: () => BlindIndex

  constructor(source: KeywrightSource, of: string, options: SearchOptions = {}) {
    this.#of = of
    this.#index = madeFor(source, (kw) => kw.index(of, options))
  }

  /** The token to store: of a value, or the one that `tokens` made. Throws ERR_KEY_NOT_LOADED before `ready`. */
  tokenSync(value: string | SearchToken | null | undefined): string | null | undefined {
    if (value === null || value === undefined) return value
    if (value instanceof SearchToken) return value.text
    try {
      return this.#index().tokenSync(value)
    } catch (error) {
      throw this.#named(error)
    }
  }

  /** The token to store, loading keys as needed. */
  async token(value: string | null | undefined): Promise<string | null | undefined> {
    if (value === null || value === undefined) return value
    try {
      return await this.#index().token(value)
    } catch (error) {
      throw this.#named(error)
    }
  }

  /** The tokens under every live key, for `IN (…)`: while the index key rotates there are two. */
  async tokens(value: string): Promise<SearchToken[]> {
    return (await this.#index().tokens(value)).map((text) => new SearchToken(text))
  }

  async ready(): Promise<void> {
    await this.#index().ready()
  }

  #named(error: unknown): unknown {
    const where = `search token of "${this.#of}"`
    if (!(error instanceof KeywrightError) || error.code !== 'ERR_KEY_NOT_LOADED')
      return located(error, where)
    return new KeywrightError(error.code, `${where}: ${error.message}`, {
      hint: "await kw.ready(['blind_index'], { all: true }) before the first query",
      details: error.details,
    })
  }
}
