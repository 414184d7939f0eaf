/**
 * From the root secret to the key that seals a key file. The parameters stand in the file, so their bounds
 * stand here.
 */
import crypto, { hkdf, type KeyObject, randomBytes, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { KeywrightError } from '../../src/provider.ts'
import type { HeldRootSecret } from './root-secret.ts'

/**
 * How the sealing key is derived. A password goes through Argon2id (RFC 9106) or scrypt (RFC 7914), a root
 * key through HKDF-SHA256 (RFC 5869). `salt` is base64 of 16 random bytes.
 */
export type Kdf =
  | { readonly name: 'hkdf-sha256'; readonly salt: string }
  | {
      readonly name: 'argon2id'
      readonly memoryKiB: number
      readonly passes: number
      readonly parallelism: number
      readonly salt: string
    }
  | {
      readonly name: 'scrypt'
      readonly N: number
      readonly r: number
      readonly p: number
      readonly salt: string
    }

/** The cost of deriving a key from a password, chosen when a key file is made. */
export interface KdfOptions {
  /** @default 'argon2id' where this Node has it (24.7 and later), else 'scrypt' with N 2^17, r 8, p 1 */
  readonly name?: 'argon2id' | 'scrypt'
  /** Argon2id memory in KiB, 7168 to 1048576. @default 65536 */
  readonly memoryKiB?: number
  /** Argon2id passes, 1 to 12; memory times passes is 35840 KiB or more (OWASP's least). @default 3 */
  readonly passes?: number
}

const KEY_BYTES = 32
const SALT_BYTES = 16
const HKDF_INFO = 'keywright-keyfile v1 sealing key'
const LEAST_ARGON2_WORK_KIB = 35_840

/**
 * Lower bounds keep a password expensive to guess; upper ones keep a hostile file from asking for all memory.
 */
const BOUNDS = {
  'hkdf-sha256': {},
  argon2id: { memoryKiB: [7_168, 1_048_576], parallelism: [1, 4], passes: [1, 12] },
  scrypt: { N: [2 ** 14, 2 ** 20], p: [1, 5], r: [8, 8] },
} as const satisfies Record<Kdf['name'], Readonly<Record<string, readonly [number, number]>>>

const hasArgon2 = typeof crypto.argon2 === 'function'

/**
 * Parameters with a new salt for a root secret of this kind.
 *
 * @throws KeywrightError ERR_ARGUMENT_INVALID when the options are outside the bounds.
 */
export function newKdf(kind: HeldRootSecret['kind'], options: KdfOptions = {}): Kdf {
  const salt = randomBytes(SALT_BYTES).toString('base64')
  if (kind === 'key') return { name: 'hkdf-sha256', salt }
  const name = options.name ?? (hasArgon2 ? 'argon2id' : 'scrypt')
  if (name === 'scrypt') return { N: 2 ** 17, name, p: 1, r: 8, salt }
  const { memoryKiB = 65_536, passes = 3 } = options
  const kdf: Kdf = { memoryKiB, name, parallelism: 1, passes, salt }
  const problem = kdfProblem(kdf)
  if (problem === undefined) return kdf
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `key derivation option: ${problem}`, {
    hint: 'leave out "kdf" for the defaults: 65536 KiB and 3 passes',
  })
}

/** What is wrong with parameters read from a file or given as options, or `undefined` when nothing is. */
export function kdfProblem(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'kdf is not an object'
  const kdf = value as Readonly<Record<string, unknown>>
  const name = kdf['name']
  if (typeof name !== 'string' || !Object.hasOwn(BOUNDS, name)) return 'kdf.name is unknown'
  const bounds: Readonly<Record<string, readonly [number, number]>> = BOUNDS[name as Kdf['name']]
  const unknown = Object.keys(kdf).find(
    (member) => !['name', 'salt', ...Object.keys(bounds)].includes(member),
  )
  if (unknown !== undefined) return 'kdf has an unknown member'
  if (!isSalt(kdf['salt'])) return 'kdf.salt is not the base64 of 16 bytes'
  for (const [member, [least, most]] of Object.entries(bounds)) {
    const number = kdf[member]
    if (typeof number !== 'number' || !Number.isInteger(number) || number < least || number > most) {
      return `kdf.${member} is not an integer from ${least} to ${most}`
    }
  }
  return workProblem(kdf as unknown as Kdf)
}

function isSalt(salt: unknown): boolean {
  if (typeof salt !== 'string') return false
  const bytes = Buffer.from(salt, 'base64')
  return bytes.length === SALT_BYTES && bytes.toString('base64') === salt
}

function workProblem(kdf: Kdf): string | undefined {
  if (kdf.name === 'scrypt' && !Number.isInteger(Math.log2(kdf.N))) return 'kdf.N is not a power of two'
  if (kdf.name === 'argon2id' && kdf.memoryKiB * kdf.passes < LEAST_ARGON2_WORK_KIB) {
    return `kdf.memoryKiB times kdf.passes is less than ${LEAST_ARGON2_WORK_KIB}`
  }
  return undefined
}

/**
 * The key that seals the file. Costs about a tenth of a second for a password, off the main thread.
 *
 * @throws KeywrightError ERR_DEPENDENCY_MISSING when the file wants Argon2id and this Node has none.
 */
export async function deriveSealingKey(root: HeldRootSecret, kdf: Kdf): Promise<KeyObject> {
  const salt = Buffer.from(kdf.salt, 'base64')
  if (kdf.name === 'hkdf-sha256') {
    return toKeyObject(await promisify(hkdf)('sha256', root.key, salt, HKDF_INFO, KEY_BYTES))
  }
  const password = root.key.export()
  try {
    return toKeyObject(
      await (kdf.name === 'argon2id' ? argon2id(password, salt, kdf) : scryptKey(password, salt, kdf)),
    )
  } finally {
    password.fill(0)
  }
}

function argon2id(message: Buffer, nonce: Buffer, kdf: Kdf & { name: 'argon2id' }): Promise<Buffer> {
  if (!hasArgon2) {
    throw new KeywrightError(
      'ERR_DEPENDENCY_MISSING',
      'the key file needs Argon2id, which this Node has not',
      {
        hint: 'run it with Node 24.7 or later',
      },
    )
  }
  const { memoryKiB: memory, parallelism, passes } = kdf
  const parameters = { memory, message, nonce, parallelism, passes, tagLength: KEY_BYTES }
  return promisify(crypto.argon2)('argon2id', parameters)
}

function scryptKey(password: Buffer, salt: Buffer, kdf: Kdf & { name: 'scrypt' }): Promise<Buffer> {
  const { N, p, r } = kdf
  const maxmem = 256 * N * r // twice what N and r need; Node's default of 32 MiB is too little
  return new Promise((resolve, reject) => {
    scrypt(password, salt, KEY_BYTES, { N, maxmem, p, r }, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}

function toKeyObject(derived: ArrayBuffer | Buffer): KeyObject {
  const bytes = new Uint8Array(derived)
  const key = crypto.createSecretKey(bytes)
  bytes.fill(0)
  return key
}
