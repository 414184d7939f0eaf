import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { holdRootSecret, parseRootKey } from '../../providers/local/root-secret.ts'
import { KeywrightError } from '../../src/errors.ts'
import { expectNoSecret } from '../conformance/provider.ts'

const key = Buffer.from('8f3a9c0b5de1427796f8a1b2c3d4e5f60718293a4b5c6d7e8f90fbffef3e7d6c', 'hex')
const fernet = `${key.toString('base64url')}=`

function refusal(parse: () => unknown): KeywrightError {
  try {
    parse()
  } catch (error) {
    if (error instanceof KeywrightError) return error
  }
  throw new Error('expected a KeywrightError')
}

describe('parseRootKey', () => {
  it.each([
    ['base64', key.toString('base64')],
    ['base64 without padding', key.toString('base64').replace('=', '')],
    ['base64url', key.toString('base64url')],
    ['a Fernet key', fernet],
    ['hex', key.toString('hex')],
    ['upper-case hex', key.toString('hex').toUpperCase()],
    ['base64 of a Fernet key', Buffer.from(fernet).toString('base64')],
    ['base64 of a Fernet key without padding', Buffer.from(fernet).toString('base64url')],
    ['white space around it', `\n  ${key.toString('base64')}\r\n`],
  ])('accepts %s', (_, text) => {
    expect(Buffer.from(parseRootKey(text)).equals(key)).toBe(true)
  })

  it('is the inverse of each spelling', () => {
    const bytes = fc.uint8Array({ maxLength: 32, minLength: 32 }).filter((some) => new Set(some).size > 1)
    const spelling = fc.constantFrom('hex' as const, 'base64' as const, 'base64url' as const)
    fc.assert(
      fc.property(bytes, spelling, (some, encoding) => {
        expect(Buffer.from(parseRootKey(Buffer.from(some).toString(encoding))).equals(some)).toBe(true)
      }),
    )
  })

  it.each([
    ['nothing', '', '0 bytes'],
    ['only white space', ' \n', '0 bytes'],
    ['31 bytes', key.subarray(1).toString('base64'), '31 bytes'],
    ['33 bytes', Buffer.concat([key, key.subarray(31)]).toString('base64'), '33 bytes'],
    ['16 bytes in hex', key.subarray(16).toString('hex'), '16 bytes'],
    ['63 hex digits', key.toString('hex').slice(1), ''],
    ['both alphabets at once', key.toString('base64url').replace('-', '+'), 'neither base64 nor hex'],
    ['a character that base64 has not', key.toString('base64').replace('j', '!'), 'neither base64 nor hex'],
    ['white space within', key.toString('base64').replace('j', 'j\n'), 'neither base64 nor hex'],
    ['too much padding', `${key.toString('base64')}=`, 'neither base64 nor hex'],
    [
      'another spelling of the same bits',
      key.toString('base64').replace(/.=$/, 't='),
      'neither base64 nor hex',
    ],
    ['quotes', `"${key.toString('base64')}"`, 'neither base64 nor hex'],
    ['44 bytes that are no Fernet key', randomBytes(44).toString('base64'), '44 bytes'],
    ['a passphrase', 'correct horse battery staple', 'neither base64 nor hex'],
  ])('refuses %s', (_, text, message) => {
    const error = refusal(() => parseRootKey(text))
    expect(error.code).toBe('ERR_ROOT_SECRET_INVALID')
    expect(error.message).toContain(message)
    expect(error.hint).toContain('openssl rand -base64 32')
    if (text.length > 20) expectNoSecret(error, [text, text.trim().slice(1), key, key.subarray(1)])
  })

  it.each([0, 1, 0x41, 0xff])('refuses 32 times the byte %i in every spelling', (byte) => {
    const same = Buffer.alloc(32, byte)
    const spellings = [same.toString('hex'), same.toString('base64'), same.toString('base64url')]
    for (const text of [...spellings, Buffer.from(`${same.toString('base64url')}=`).toString('base64')]) {
      expect(refusal(() => parseRootKey(text)).message).toContain('same byte')
    }
  })
})

describe('holdRootSecret', () => {
  it('takes one password however its accents are composed', () => {
    const [composed, decomposed] = ['caf\u00e9 au lait', 'cafe\u0301 au lait'].map((password) =>
      holdRootSecret({ kind: 'password', password }),
    )
    expect(composed?.key.equals(decomposed?.key ?? composed.key)).toBe(true)
    expect(decomposed?.key.symmetricKeySize).toBe(13)
  })

  it('does not wipe the bytes of its caller, and does not keep them', () => {
    const bytes = Uint8Array.from(key)
    const held = holdRootSecret({ bytes, kind: 'key' })
    expect(Buffer.from(bytes).equals(key)).toBe(true)
    bytes.fill(0)
    expect(held.key.export().equals(key)).toBe(true)
  })

  it.each([
    ['a short key', { bytes: randomBytes(31), kind: 'key' }],
    ['a key of zeros', { bytes: new Uint8Array(32), kind: 'key' }],
    ['an empty password', { kind: 'password', password: '' }],
    ['a short password', { kind: 'password', password: '1234567' }],
    ['a lone surrogate', { kind: 'password', password: 'long enough \ud800' }],
  ] as const)('refuses %s', (_, secret) => {
    const error = refusal(() => holdRootSecret(secret))
    expect([error.code, error.hint === undefined]).toEqual(['ERR_ROOT_SECRET_INVALID', false])
  })
})
