/** A seeded generator, for tests that must be repeatable from the seed they print. */
import { randomInt } from 'node:crypto'

/** The seed of this run: KEYWRIGHT_TEST_SEED, or a new one. */
export function testSeed(): number {
  const stated = Number(process.env['KEYWRIGHT_TEST_SEED'])
  return Number.isSafeInteger(stated) && stated > 0 ? stated : randomInt(1, 2 ** 31)
}
