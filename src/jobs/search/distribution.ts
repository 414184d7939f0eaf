/** How often each search token stands in a column: all that somebody without any key learns from it. */
import { looksLikeToken, parseToken, tokenKeyId } from '../../crypto/token.ts'
import type { SourceValue } from '../../source.ts'

/** The tokens of one index key in one column. */
export interface KeyDistribution {
  readonly keyId: number
  /** Rows with a token under this key. */
  readonly tokens: number
  readonly distinct: number
  /** Rows under the most frequent token. */
  readonly largest: number
  /** Rows under the rarest one. */
  readonly rarest: number
  /** Tokens that stand in one row only. */
  readonly once: number
  /** Shannon entropy of the distribution in bits: log2(distinct) when all are as frequent. */
  readonly entropyBits: number
  /** Bytes of the tokens' output; 32 unless they are of few bits. */
  readonly outputBytes: number
}

const ID_BYTES = 4
/** Tokens are told apart by so many bytes: two of 10^7 fall together once in 10^5 columns. */
const KEPT_BYTES = 8

export class Distribution {
  empty = 0
  /** Values that are no search token. */
  others = 0
  readonly #keys = new Map<number, { counts: Map<string, number>; outputBytes: number }>()

  add(value: SourceValue): void {
    if (value === null) this.empty++
    else if (!looksLikeToken(value)) this.others++
    else this.#count(value)
  }

  /** By key id, the one with most tokens first. */
  get keys(): KeyDistribution[] {
    const all = [...this.#keys].map(([keyId, { counts, outputBytes }]) => summary(keyId, counts, outputBytes))
    return all.sort((a, b) => b.tokens - a.tokens || a.keyId - b.keyId)
  }

  #count(token: string): void {
    let bytes: Buffer
    try {
      bytes = parseToken(token)
    } catch {
      this.others++
      return
    }
    const id = tokenKeyId(bytes)
    const outputBytes = bytes.length - ID_BYTES
    let key = this.#keys.get(id)
    if (key === undefined) {
      key = { counts: new Map(), outputBytes }
      this.#keys.set(id, key)
    }
    const output = bytes.toString('latin1', ID_BYTES, ID_BYTES + KEPT_BYTES)
    key.counts.set(output, (key.counts.get(output) ?? 0) + 1)
  }
}

function summary(keyId: number, counts: ReadonlyMap<string, number>, outputBytes: number): KeyDistribution {
  let [tokens, largest, once, sum] = [0, 0, 0, 0]
  let rarest = Number.POSITIVE_INFINITY
  for (const count of counts.values()) {
    tokens += count
    largest = Math.max(largest, count)
    rarest = Math.min(rarest, count)
    if (count === 1) once++
    sum += count * Math.log2(count)
  }
  const entropyBits = Math.max(0, Math.log2(tokens) - sum / tokens)
  return { keyId, tokens, distinct: counts.size, largest, rarest, once, entropyBits, outputBytes }
}
