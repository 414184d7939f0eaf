/** The cryptography behind the fake, all real: RSA-OAEP-256 (RFC 8017) and AES key wrap (RFC 3394) by node:crypto. */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  generateKeyPair,
  type JsonWebKey,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto'
import { promisify } from 'node:util'
import { badParameter } from './answers.ts'

const generate = promisify(generateKeyPair)

export type KeyType = 'RSA' | 'RSA-HSM' | 'EC' | 'EC-HSM' | 'oct-HSM'

/** What one key version can do; it never shows its secret part. */
export interface Material {
  /** The public members of its JSON Web Key. */
  readonly jwk: Readonly<Record<string, string>>
  /** Throws a 400 for an algorithm or a value that does not fit. */
  wrap(algorithm: string, value: Buffer): Buffer
  /** Throws a 400 for a value that does not open. */
  unwrap(algorithm: string, value: Buffer): Buffer
}

export interface MaterialPool {
  take(type: KeyType, bits: number): Promise<Material>
}

/** RSA pairs take long to make, so each is made once in a process; no vault gets the same one twice. */
const rsaPairs = new Map<number, Promise<{ publicKey: KeyObject; privateKey: KeyObject }>[]>()

/** Gives out key material, different each time. */
export function materialPool(): MaterialPool {
  const taken = new Map<number, number>()
  return {
    async take(type, bits) {
      if (type === 'oct-HSM') return aesMaterial()
      if (type === 'EC' || type === 'EC-HSM') {
        const { publicKey } = await generate('ec', { namedCurve: 'P-256' })
        return ecMaterial(publicKey.export({ format: 'jwk' }))
      }
      const index = taken.get(bits) ?? 0
      taken.set(bits, index + 1)
      const pairs = rsaPairs.get(bits) ?? []
      rsaPairs.set(bits, pairs)
      const pair = pairs[index] ?? generate('rsa', { modulusLength: bits })
      pairs[index] = pair
      return rsaMaterial(await pair)
    },
  }
}

const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }

function rsaMaterial({ privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject }): Material {
  const { e = '', n = '' } = publicKey.export({ format: 'jwk' })
  const bytes = Buffer.from(n, 'base64url').length
  return {
    jwk: { n, e },
    wrap(algorithm, value) {
      assertAlgorithm(algorithm, 'RSA-OAEP-256')
      if (value.length > bytes - 66) throw badParameter('The value is longer than the key can wrap.')
      return publicEncrypt({ key: publicKey, ...OAEP }, value)
    },
    unwrap(algorithm, value) {
      assertAlgorithm(algorithm, 'RSA-OAEP-256')
      if (value.length !== bytes) throw badParameter('The parameter is incorrect.')
      return opened(() => privateDecrypt({ key: privateKey, ...OAEP }, value))
    },
  }
}

const AES_WRAP = 'id-aes256-wrap'
const AES_IV = Buffer.alloc(8, 0xa6)

function aesMaterial(): Material {
  const key = randomBytes(32)
  const assertBlocks = (value: Buffer, least: number): void => {
    if (value.length % 8 !== 0 || value.length < least)
      throw badParameter('The value is not made of 64-bit blocks.')
  }
  return {
    jwk: {},
    wrap(algorithm, value) {
      assertAlgorithm(algorithm, 'A256KW')
      assertBlocks(value, 16)
      const cipher = createCipheriv(AES_WRAP, key, AES_IV)
      return Buffer.concat([cipher.update(value), cipher.final()])
    },
    unwrap(algorithm, value) {
      assertAlgorithm(algorithm, 'A256KW')
      assertBlocks(value, 24)
      return opened(() => {
        const decipher = createDecipheriv(AES_WRAP, key, AES_IV)
        return Buffer.concat([decipher.update(value), decipher.final()])
      })
    },
  }
}

/** Elliptic curve keys only sign. */
function ecMaterial({ x = '', y = '' }: JsonWebKey): Material {
  const refuse = (): never => {
    throw badParameter('The algorithm is not supported by keys of this type.')
  }
  return { jwk: { crv: 'P-256', x, y }, wrap: refuse, unwrap: refuse }
}

function assertAlgorithm(algorithm: string, known: string): void {
  if (algorithm !== known) throw badParameter('The algorithm is not supported by keys of this type.')
}

function opened(open: () => Buffer): Buffer {
  try {
    return open()
  } catch {
    throw badParameter('The parameter is incorrect.')
  }
}
