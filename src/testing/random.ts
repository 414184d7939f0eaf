/** Numbers that look random and are the same for the same seed. */

/** The next number, 0 ≤ x < 1. */
export type Random = () => number

/** A generator by its seed, any whole number (mulberry32: 32 bits of state; for tests only). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
