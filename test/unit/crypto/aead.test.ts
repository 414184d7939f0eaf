/** Sealing and opening: every change is refused, tags are never short, nonces never repeat. */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { openDetached, SUITES, type SuiteName, sealDetached } from '../../../src/crypto/aead.ts'
import { parseCiphertext, toText } from '../../../src/crypto/ciphertext.ts'
import { xaesSubkey } from '../../../src/crypto/xaes.ts'
import { KeywrightError } from '../../../src/errors.ts'

const NAMES = Object.keys(SUITES) as SuiteName[]
const AAD = Buffer.from('{"column":"ssn","keyring":"pii","table":"users"}')
const NONE = new Uint8Array(0)
const newKey = () => createSecretKey(randomBytes(32))

/** The code with which `run` fails; 'opened' when it does not. */
function codeFrom(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof KeywrightError) return error.code
    throw error
  }
  return 'opened'
}

describe.each(NAMES)('%s', (name) => {
  const suite = SUITES[name]
  const key = newKey()
  const plaintext = Buffer.from('000-00-0000')

  it('writes start byte, id, nonce, ciphertext and tag, nothing else', () => {
    const wire = suite.seal(key, 0x01020304, plaintext, AAD)
    expect(wire.subarray(0, 5)).toEqual(Buffer.from([1, 1, 2, 3, 4]))
    expect(wire.length).toBe(plaintext.length + suite.overheadBytes)
    const ivAt = name === 'AES-256-GCM' ? 5 : 17
    const used = name === 'AES-256-GCM' ? key : xaesSubkey(key, wire.subarray(5, 17))
    const decipher = createDecipheriv('aes-256-gcm', used, wire.subarray(ivAt, ivAt + 12))
    decipher.setAAD(AAD).setAuthTag(wire.subarray(-16))
    const opened = Buffer.concat([decipher.update(wire.subarray(ivAt + 12, -16)), decipher.final()])
    expect(opened).toEqual(plaintext)
  })

  it.each([1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff])('carries the id %i unsigned', (id) => {
    const wire = suite.seal(key, id, plaintext, AAD)
    expect(wire.readUInt32BE(1)).toBe(id)
    expect(suite.open(key, wire, AAD)).toEqual(plaintext)
  })

  it('refuses every flipped bit behind the prefix with the one error', () => {
    const wire = suite.seal(key, 7, plaintext, AAD)
    const codes = new Set<string>()
    for (let at = 5; at < wire.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = Buffer.from(wire)
        changed[at] = (changed[at] ?? 0) ^ (1 << bit)
        codes.add(codeFrom(() => suite.open(key, changed, AAD)))
      }
    }
    expect([...codes]).toEqual(['ERR_DECRYPTION_FAILED'])
  })

  it('refuses every cut and every extension', () => {
    const wire = suite.seal(key, 7, plaintext, AAD)
    const codes = new Set<string>()
    for (let length = 0; length < wire.length; length++) {
      codes.add(codeFrom(() => suite.open(key, wire.subarray(0, length), AAD)))
    }
    for (const more of [1, 4, 12, 16]) {
      const longer = Buffer.concat([wire, Buffer.alloc(more)])
      codes.add(codeFrom(() => suite.open(key, longer, AAD)))
    }
    expect([...codes]).toEqual(['ERR_DECRYPTION_FAILED'])
  })

  it.each([4, 8, 12, 13, 14, 15])('does not accept a right tag of only %i bytes', (length) => {
    const salt = randomBytes(name === 'AES-256-GCM' ? 0 : 12)
    const used = name === 'AES-256-GCM' ? key : xaesSubkey(key, salt)
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', used, iv, { authTagLength: length }).setAAD(AAD)
    const body = Buffer.concat([cipher.update(plaintext), cipher.final()])
    const wire = Buffer.concat([Buffer.from([1, 0, 0, 0, 7]), salt, iv, body, cipher.getAuthTag()])
    expect(codeFrom(() => suite.open(key, wire, AAD))).toBe('ERR_DECRYPTION_FAILED')
  })

  it.each([
    ['empty', NONE],
    ['a byte longer', Buffer.concat([AAD, Buffer.from([0])])],
    ['a byte shorter', AAD.subarray(0, -1)],
    ['of another column', Buffer.from('{"column":"sin","keyring":"pii","table":"users"}')],
  ])('does not open under associated data that is %s', (_, other) => {
    const wire = suite.seal(key, 7, plaintext, AAD)
    expect(codeFrom(() => suite.open(key, wire, other))).toBe('ERR_DECRYPTION_FAILED')
  })

  it('does not open under another key, nor as the other suite', () => {
    const wire = suite.seal(key, 7, plaintext, AAD)
    expect(codeFrom(() => suite.open(newKey(), wire, AAD))).toBe('ERR_DECRYPTION_FAILED')
    const other = SUITES[name === 'AES-256-GCM' ? 'X-AES-256-GCM' : 'AES-256-GCM']
    expect(codeFrom(() => other.open(key, wire, AAD))).toBe('ERR_DECRYPTION_FAILED')
  })

  it('fails the same way whatever is wrong: no cause, no detail, one text', () => {
    const wire = suite.seal(key, 7, plaintext, AAD)
    const flipped = Buffer.from(wire)
    flipped[wire.length - 1] = (flipped[wire.length - 1] ?? 0) ^ 1
    const failures = [
      () => suite.open(newKey(), wire, AAD),
      () => suite.open(key, flipped, AAD),
      () => suite.open(key, wire, NONE),
      () => suite.open(key, wire.subarray(0, 10), AAD),
    ].map((run) => {
      try {
        run()
      } catch (error) {
        const { message, hint, details, cause } = error as KeywrightError
        return JSON.stringify({ message, hint, details, cause: cause === undefined })
      }
      return 'opened'
    })
    expect(new Set(failures).size).toBe(1)
  })

  it('never uses a nonce twice in 100,000 seals', () => {
    const ivAt = 5
    const length = suite.overheadBytes - 21
    const seen = new Set<string>()
    for (let n = 0; n < 100_000; n++) {
      seen.add(suite.seal(key, 7, NONE, NONE).toString('latin1', ivAt, ivAt + length))
    }
    expect(seen.size).toBe(100_000)
  })

  it('gives wire bytes that nothing shares: later seals leave them alone', () => {
    const first = suite.seal(key, 7, plaintext, AAD)
    const copy = Buffer.from(first)
    for (let n = 0; n < 3000; n++) suite.seal(key, 7, plaintext, AAD)
    expect(first).toEqual(copy)
  })

  it('seals text as its UTF-8 bytes', () => {
    const text = 'Łódź \u{1f511} \u0000 ﷽'
    expect(suite.open(key, suite.seal(key, 7, text, AAD), AAD)).toEqual(Buffer.from(text, 'utf8'))
  })

  it('reads a ciphertext that is a view into a larger buffer', () => {
    const wire = suite.seal(key, 7, plaintext, AAD)
    const large = Buffer.concat([randomBytes(13), wire, randomBytes(9)])
    const view = new Uint8Array(large.buffer, large.byteOffset + 13, wire.length)
    expect(suite.open(key, parseCiphertext(view), AAD)).toEqual(plaintext)
    expect(suite.open(key, parseCiphertext(toText(wire)), AAD)).toEqual(plaintext)
  })
})

describe('sealDetached', () => {
  it('writes IV, ciphertext and tag, and is opened by its reverse', () => {
    const key = newKey()
    const sealed = sealDetached(key, Buffer.from('blob'), AAD)
    expect(sealed.length).toBe(12 + 4 + 16)
    expect(openDetached(key, sealed, AAD)).toEqual(Buffer.from('blob'))
  })

  it('refuses every flipped byte and every cut', () => {
    const key = newKey()
    const sealed = sealDetached(key, Buffer.from('blob'), AAD)
    const codes = new Set<string>()
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ 0x80
      codes.add(codeFrom(() => openDetached(key, changed, AAD)))
      codes.add(codeFrom(() => openDetached(key, sealed.subarray(0, at), AAD)))
    }
    expect([...codes]).toEqual(['ERR_DECRYPTION_FAILED'])
  })
})
