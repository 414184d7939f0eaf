/**
 * Argon2id (RFC 9106) before the token is made, for values of which there are few: whoever got hold of an index key
 * pays for every guess. The salt is derived from the index key, so equal values still give equal tokens.
 */
import crypto, { createHmac, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { canonicalBytes } from '../../crypto/canonical.ts'
import { KeywrightError } from '../../errors.ts'

/** Cost of one token; every process must use the same, because it is part of the token. */
export interface SlowHash {
  /** KiB of memory. @default 19456 (OWASP's recommendation) */
  readonly memoryKiB?: number
  /** @default 2 */
  readonly passes?: number
  /** @default 1 */
  readonly parallelism?: number
}

/** The cost in full. */
export type SlowCost = Required<SlowHash>

const DEFAULTS: SlowCost = { memoryKiB: 19_456, passes: 2, parallelism: 1 }
const LIMITS: Readonly<Record<keyof SlowCost, readonly [number, number]>> = {
  memoryKiB: [7_168, 1_048_576],
  passes: [1, 16],
  parallelism: [1, 4],
}
const SALT_BYTES = 16
const HASH_BYTES = 32

/** The cost of `slow`; undefined when it is off. Throws ERR_ARGUMENT_INVALID and ERR_DEPENDENCY_MISSING. */
export function slowCost(slow: boolean | SlowHash | undefined): SlowCost | undefined {
  if (slow === undefined || slow === false) return undefined
  const cost = { ...DEFAULTS, ...(slow === true ? {} : slow) }
  for (const [name, [low, high]] of Object.entries(LIMITS)) {
    const value = cost[name as keyof SlowCost]
    if (Number.isInteger(value) && value >= low && value <= high) continue
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `"slow.${name}" is out of range`, {
      hint: `a whole number from ${low} to ${high}; leave it out for ${DEFAULTS[name as keyof SlowCost]}`,
    })
  }
  if (typeof crypto.argon2 === 'function') return cost
  throw new KeywrightError('ERR_DEPENDENCY_MISSING', 'this Node has no Argon2', {
    hint: 'slow search tokens need Node 24.7 or later, in every process that makes them',
  })
}

/** How a cost is spelled in the token's input. */
export const costName = ({ memoryKiB, passes, parallelism }: SlowCost): string =>
  `argon2id,m=${memoryKiB},t=${passes},p=${parallelism}`

/** The value as it goes into the token. `about` is the rest of the token's input. */
export async function stretch(
  key: KeyObject,
  about: Readonly<Record<string, string>>,
  value: string,
  cost: SlowCost,
): Promise<string> {
  return (await promisify(crypto.argon2)('argon2id', parameters(key, about, value, cost))).toString(
    'base64url',
  )
}

/** The same without waiting: it keeps the process busy for as long as it takes. */
export function stretchSync(
  key: KeyObject,
  about: Readonly<Record<string, string>>,
  value: string,
  cost: SlowCost,
): string {
  return crypto.argon2Sync('argon2id', parameters(key, about, value, cost)).toString('base64url')
}

function parameters(
  key: KeyObject,
  about: Readonly<Record<string, string>>,
  value: string,
  { memoryKiB, passes, parallelism }: SlowCost,
): crypto.Argon2Parameters {
  const salt = createHmac('sha256', key)
    .update(canonicalBytes({ ...about, salt: 'argon2id' }))
    .digest()
  return {
    message: Buffer.from(value, 'utf8'),
    nonce: salt.subarray(0, SALT_BYTES),
    parallelism,
    tagLength: HASH_BYTES,
    memory: memoryKiB,
    passes,
  }
}
