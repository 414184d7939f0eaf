/** Fernet: the vectors of its specification, every mutation, and keys in every spelling. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { writeFernet } from '../../../../src/data/foreign/fernet.ts'
import { type FernetKey, fernetKeys } from '../../../../src/data/foreign/fernet-key.ts'
import { ForeignReaders } from '../../../../src/data/foreign/readers.ts'
import { KeywrightError } from '../../../../src/errors.ts'

interface Vector {
  readonly desc: string
  readonly token: string
  readonly secret: string
  readonly src: string
}
const vectors = (name: string): Vector[] =>
  JSON.parse(readFileSync(new URL(`../../../vectors/fernet/${name}.json`, import.meta.url), 'utf8'))

const open = (token: string, ...keys: string[]): Uint8Array | undefined =>
  new ForeignReaders({ fernetKeys: keys }).named(['fernet'])[0]?.open(token) as Uint8Array | undefined

const SECRET = vectors('verify')[0]?.secret ?? ''
const [KEY] = fernetKeys([SECRET]) as [FernetKey]
/** These are wrong only because of a time to live, which a reader of stored values does not look at. */
const ONLY_TOO_OLD = ['far-future TS (unacceptable clock skew)', 'expired TTL']

describe('vectors of the specification', () => {
  it.each([...vectors('generate'), ...vectors('verify')])('$src', ({ token, secret, src }) => {
    expect(open(token, secret)?.toString()).toBe(src)
  })

  it.each(vectors('invalid'))('$desc', ({ desc, token, secret }) => {
    if (ONLY_TOO_OLD.includes(desc)) expect(open(token, secret)).toEqual(Buffer.alloc(0))
    else expect(open(token, secret)).toBeUndefined()
  })
})

describe('tokens', () => {
  const token = writeFernet(KEY, Buffer.from('secret value'), Date.UTC(2026, 0, 1))

  it('come back as what they were', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.integer({ min: 0, max: 4e12 }), (bytes, now) => {
        expect(open(writeFernet(KEY, bytes, now), SECRET)).toEqual(Buffer.from(bytes))
      }),
    )
  })

  it('do not open when any character is another', () => {
    for (let at = 0; at < token.length; at++) {
      for (const other of ['A', 'B', '=', '+', ' ', '\n', '\u0141']) {
        if (token[at] === other) continue
        expect(
          open(token.slice(0, at) + other + token.slice(at + 1), SECRET),
          `${at}: ${other}`,
        ).toBeUndefined()
      }
    }
  })

  it('do not open when they are cut, longer or padded otherwise', () => {
    for (let length = 0; length < token.length; length++) {
      expect(open(token.slice(0, length), SECRET)).toBeUndefined()
    }
    for (const end of ['=', '==', '\n', ' ', 'AAAA']) expect(open(token + end, SECRET)).toBeUndefined()
    expect(open(token.replace(/=+$/, ''), SECRET)).toBeUndefined()
  })

  it('open with any of the keys', () => {
    const other = randomBytes(32).toString('base64url')
    expect(open(token, other)).toBeUndefined()
    expect(open(token, other, SECRET)?.toString()).toBe('secret value')
    expect(open(token, SECRET, other)?.toString()).toBe('secret value')
  })
})

describe('keys', () => {
  const bytes = Buffer.from(SECRET, 'base64url')
  const token = writeFernet(KEY, Buffer.from('x'), 0)

  it.each([
    ['as generate_key prints it', SECRET],
    ['without padding', SECRET.replace('=', '')],
    ['as standard base64', bytes.toString('base64')],
    ['as the base64 of its text', Buffer.from(SECRET).toString('base64')],
    ['with white space', `  ${SECRET}\r\n`],
    ['after another, with a comma', `${Buffer.alloc(32, 7).toString('base64url')}, ${SECRET}`],
    [
      'in a file with comments',
      `# old keys\n\n${Buffer.alloc(32, 7).toString('base64url')}\n${SECRET} # 2019\n`,
    ],
  ])('%s', (_, text) => {
    expect(open(token, text)?.toString()).toBe('x')
  })

  it.each(['short', `${SECRET}${SECRET}`, bytes.toString('hex'), 'ü'.repeat(43)])(
    'refuses %s without repeating it',
    (text) => {
      let caught: unknown
      try {
        fernetKeys([SECRET, text])
      } catch (error) {
        caught = error
      }
      expect(caught).toBeInstanceOf(KeywrightError)
      const { code, hint, message } = caught as KeywrightError
      expect(code).toBe('ERR_ARGUMENT_INVALID')
      expect(message).toContain('Fernet key 2 of 2')
      expect(message + hint).not.toContain(text)
      expect(hint).toContain('OLD_ENCRYPTION_KEY')
    },
  )
})
