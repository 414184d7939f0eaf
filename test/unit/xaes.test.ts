import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  generateKeyPairSync,
} from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { xaesSubkey } from '../../src/crypto/xaes.ts'

const unhex = (text: string) => Buffer.from(text, 'hex')

function readVectors<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${path}`, import.meta.url), 'utf8')) as T
}

function seal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Buffer {
  const subkey = xaesSubkey(createSecretKey(key), nonce.subarray(0, 12))
  const cipher = createCipheriv('aes-256-gcm', subkey, nonce.subarray(12)).setAAD(aad)
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

describe('C2SP XAES-256-GCM', () => {
  const file = readVectors<{
    vectors: Record<'K' | 'N' | 'Kₓ' | 'Plaintext' | 'AAD' | 'Ciphertext', string>[]
    accumulated: { '10000': string }
  }>('c2sp/xaes-256-gcm.json')
  const ascii = (quoted: string) => Buffer.from(quoted.slice(1, -1), 'ascii')

  it.each(file.vectors)('derives and encrypts as the vector with K = $K', (vector) => {
    const nonce = ascii(vector.N)
    const subkey = xaesSubkey(createSecretKey(unhex(vector.K)), nonce.subarray(0, 12))
    expect(subkey.export().toString('hex')).toBe(vector['Kₓ'])
    const sealed = seal(unhex(vector.K), nonce, ascii(vector.Plaintext), ascii(vector.AAD))
    expect(sealed.toString('hex')).toBe(vector.Ciphertext)
  })

  it('passes the accumulated test of 10 000 random inputs', () => {
    const rounds = 10_000
    const longest = 32 + 24 + 2 * (1 + 255)
    const random = createHash('shake128', { outputLength: rounds * longest }).digest()
    let at = 0
    const take = (length: number) => {
      at += length
      return random.subarray(at - length, at)
    }
    const ciphertexts = createHash('shake128', { outputLength: 32 })
    for (let i = 0; i < rounds; i++) {
      const [key, nonce] = [take(32), take(24)]
      const plaintext = take(take(1)[0] ?? 0)
      const aad = take(take(1)[0] ?? 0)
      ciphertexts.update(seal(key, nonce, plaintext, aad))
    }
    expect(ciphertexts.digest('hex')).toBe(file.accumulated['10000'])
  })
})

describe("Tink's X-AES-GCM", () => {
  interface Vector {
    name: string
    salt_size_in_bytes: number
    key_hex: string
    associated_data_hex: string
    plaintext_hex: string
    ciphertext_hex: string
  }
  const { vectors } = readVectors<{ vectors: Vector[] }>('tink/x_aes_gcm.json')

  it.each(vectors)('$name, salt of $salt_size_in_bytes bytes, decrypts', (vector) => {
    const ciphertext = unhex(vector.ciphertext_hex)
    const ivAt = vector.salt_size_in_bytes
    const subkey = xaesSubkey(createSecretKey(unhex(vector.key_hex)), ciphertext.subarray(0, ivAt))
    const decipher = createDecipheriv('aes-256-gcm', subkey, ciphertext.subarray(ivAt, ivAt + 12), {
      authTagLength: 16,
    })
    decipher.setAAD(unhex(vector.associated_data_hex)).setAuthTag(ciphertext.subarray(-16))
    const plaintext = Buffer.concat([decipher.update(ciphertext.subarray(ivAt + 12, -16)), decipher.final()])
    expect(plaintext.toString('hex')).toBe(vector.plaintext_hex)
  })
})

describe('xaesSubkey', () => {
  const key = createSecretKey(Buffer.alloc(32, 9))
  const derive = (salt: Uint8Array, from = key) => xaesSubkey(from, salt).export().toString('hex')

  it('gives the same for the same salt, however often and in whatever order it is called', () => {
    const [a, b] = [Buffer.alloc(12, 1), Buffer.alloc(12, 2)]
    const other = createSecretKey(Buffer.alloc(32, 8))
    const first = derive(a)
    expect(derive(b)).not.toBe(first)
    expect(derive(a, other)).not.toBe(first)
    expect(derive(a)).toBe(first)
    expect(derive(a, createSecretKey(Buffer.alloc(32, 9)))).toBe(first)
  })

  it('leaves the salt as it is', () => {
    const salt = Buffer.alloc(12, 7)
    derive(salt)
    expect(salt).toEqual(Buffer.alloc(12, 7))
  })

  it('pads a shorter salt with zeros on the right', () => {
    expect(derive(Buffer.from('abcdefgh'))).toBe(derive(Buffer.from('abcdefgh\0\0\0\0')))
  })

  it.each([0, 7, 13, 24])('refuses a salt of %i bytes', (length) => {
    expect(() => xaesSubkey(key, Buffer.alloc(length))).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT_INVALID', hint: expect.stringContaining('nonce') }),
    )
  })

  it('refuses a salt that is not bytes', () => {
    expect(() => xaesSubkey(key, 'abcdefghijkl' as unknown as Uint8Array)).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT_INVALID' }),
    )
  })

  it.each([
    ['of 16 bytes', createSecretKey(Buffer.alloc(16))],
    ['that is not symmetric', generateKeyPairSync('ed25519').privateKey],
  ])('refuses a key %s', (_title, wrong) => {
    expect(() => xaesSubkey(wrong, Buffer.alloc(12))).toThrow(
      expect.objectContaining({
        code: 'ERR_ARGUMENT_INVALID',
        hint: expect.stringContaining('createSecretKey'),
      }),
    )
  })
})
