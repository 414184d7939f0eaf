/** A small seeded generator (mulberry32), so that the example file is the same on every machine. Not for keys. */
export interface Random {
  /** A whole number from 0 up to, but not including, `limit`. */
  below(limit: number): number
  pick<T>(list: readonly T[]): T
  /** True in `percent` of a hundred calls. */
  chance(percent: number): boolean
  /** Replaces each `#` of a pattern by a digit and each `@` by a capital letter. */
  fill(pattern: string): string
}

const LETTERS = 'ABCDEFGHJKLMNPRSTUWXYZ'

export function seededRandom(seed: number): Random {
  let state = seed
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    below,
    pick: (list) => {
      const [found] = list.slice(below(list.length))
      if (found === undefined) throw new RangeError('nothing to pick from')
      return found
    },
    chance: (percent) => below(100) < percent,
    fill: (pattern) =>
      pattern
        .replace(/#/g, () => String(below(10)))
        .replace(/@/g, () => LETTERS.charAt(below(LETTERS.length))),
  }
}
