/** The text and binary form of a ciphertext: one spelling each, refused before anything is decrypted. */
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { isCiphertext, keyIdOf, parseCiphertext, toText } from '../../../src/crypto/ciphertext.ts'
import type { ErrorCode } from '../../../src/errors.ts'
import { expectCode } from '../../kit/failures.ts'

/** Wire bytes of the length asked for; the last text character then carries unused bits where it can. */
const wireOf = (length: number): Buffer => Buffer.concat([Buffer.from([1]), randomBytes(length - 1)])
const text = (length: number): string => toText(wireOf(length))

describe('parseCiphertext', () => {
  it('gives back the bytes of either form, whatever their length modulo 3', () => {
    for (let length = 33; length < 140; length++) {
      const wire = wireOf(length)
      expect(parseCiphertext(toText(wire))).toEqual(wire)
      expect(parseCiphertext(wire)).toEqual(wire)
      expect(parseCiphertext(new Uint8Array(wire))).toEqual(wire)
    }
  })

  it('reads the key id as an unsigned number', () => {
    const wire = Buffer.concat([Buffer.from([1, 0xff, 0xfe, 0xfd, 0xfc]), Buffer.alloc(28)])
    expect(keyIdOf(parseCiphertext(wire))).toBe(0xfffefdfc)
  })

  it.each([34, 35])('knows only one spelling: no unused bits in the last character (%i bytes)', async (n) => {
    const good = text(n)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const same = [...alphabet]
      .map((last) => good.slice(0, -1) + last)
      .filter((other) =>
        Buffer.from(other.slice(4), 'base64url').equals(Buffer.from(good.slice(4), 'base64url')),
      )
    expect(same.length).toBe(n % 3 === 1 ? 16 : 4) // so many texts decode to the same bytes
    for (const other of same) {
      if (other === good) continue
      await expectCode(() => parseCiphertext(other), 'ERR_CIPHERTEXT_MALFORMED')
      expect(isCiphertext(other)).toBe(false)
    }
  })

  // Ł (U+0141) ends in the byte of 'A'; U+10041 has a code unit that does; full-width and Cyrillic look alike.
  it.each([
    ['padding', (t: string) => `${t}=`],
    ['double padding', (t: string) => `${t}==`],
    ['+ of plain base64', (t: string) => `${t.slice(0, 8)}+${t.slice(9)}`],
    ['/ of plain base64', (t: string) => `${t.slice(0, 8)}/${t.slice(9)}`],
    ['a space inside', (t: string) => `${t.slice(0, 8)} ${t.slice(8)}`],
    ['a newline at the end', (t: string) => `${t}\n`],
    ['CRLF inside', (t: string) => `${t.slice(0, 8)}\r\n${t.slice(8)}`],
    ['a tab at the end', (t: string) => `${t}\t`],
    ['NUL at the end', (t: string) => `${t}\0`],
    ['Ł, whose low byte is A', (t: string) => `${t.slice(0, 8)}Ł${t.slice(9)}`],
    ['a latin-1 letter', (t: string) => `${t.slice(0, 8)}é${t.slice(9)}`],
    ['an astral character', (t: string) => `${t.slice(0, 8)}\u{10041}${t.slice(10)}`],
    ['a lone surrogate', (t: string) => `${t.slice(0, 8)}\ud800${t.slice(9)}`],
    ['a full-width letter', (t: string) => `${t.slice(0, 8)}Ａ${t.slice(9)}`],
    ['a second dot', (t: string) => `${t.slice(0, 8)}.${t.slice(9)}`],
    ['a percent escape', (t: string) => `${t.slice(0, 8)}%41${t.slice(9)}`],
    ['one character of a group of four', (t: string) => `${t}A`.slice(0, 4 + 45)],
  ])('refuses %s', async (_, change) => {
    const changed = change(text(33))
    await expectCode(() => parseCiphertext(changed), 'ERR_CIPHERTEXT_MALFORMED')
    expect(isCiphertext(changed)).toBe(false)
  })

  it.each<[string, unknown, ErrorCode]>([
    ['an empty string', '', 'ERR_CIPHERTEXT_EMPTY'],
    ['empty bytes', new Uint8Array(0), 'ERR_CIPHERTEXT_EMPTY'],
    ['plain text', 'alice@example.org', 'ERR_NOT_CIPHERTEXT'],
    ['a text with the prefix behind a space', ` ${text(33)}`, 'ERR_NOT_CIPHERTEXT'],
    ['another case of the prefix', text(33).replace('kw1.', 'KW1.'), 'ERR_NOT_CIPHERTEXT'],
    ['the prefix of search tokens', text(33).replace('kw1.', 'kwi1.'), 'ERR_NOT_CIPHERTEXT'],
    ['the next version of the prefix', text(33).replace('kw1.', 'kw2.'), 'ERR_NOT_CIPHERTEXT'],
    ['a full-width dot', text(33).replace('.', '．'), 'ERR_NOT_CIPHERTEXT'],
    ['the prefix alone', 'kw1.', 'ERR_CIPHERTEXT_MALFORMED'],
    ['32 bytes', wireOf(32), 'ERR_CIPHERTEXT_MALFORMED'],
    ['32 bytes as text', text(32), 'ERR_CIPHERTEXT_MALFORMED'],
    ['bytes with another start byte', Buffer.alloc(40, 2), 'ERR_NOT_CIPHERTEXT'],
    ['the text form as bytes', Buffer.from(text(33)), 'ERR_NOT_CIPHERTEXT'],
    ['text with another start byte', toText(Buffer.alloc(40, 2)), 'ERR_CIPHERTEXT_MALFORMED'],
    ['null', null, 'ERR_VALUE_TYPE'],
    ['undefined', undefined, 'ERR_VALUE_TYPE'],
    ['a number', 42, 'ERR_VALUE_TYPE'],
    ['an array of numbers', [...wireOf(40)], 'ERR_VALUE_TYPE'],
    ['an ArrayBuffer', new ArrayBuffer(40), 'ERR_VALUE_TYPE'],
    ['a String object', Object(text(33)), 'ERR_VALUE_TYPE'],
    ['a Uint16Array', new Uint16Array(40), 'ERR_VALUE_TYPE'],
  ])('refuses %s', async (_, value, code) => {
    await expectCode(() => parseCiphertext(value as string), code)
    expect(isCiphertext(value)).toBe(false)
  })

  it('says nothing of the value in its errors', async () => {
    const secret = 'kw1.very-secret-value!'
    const error = await expectCode(() => parseCiphertext(secret), 'ERR_CIPHERTEXT_MALFORMED')
    expect(JSON.stringify([error, error.message])).not.toContain('very-secret')
    const plain = await expectCode(() => parseCiphertext('alice@example.org'), 'ERR_NOT_CIPHERTEXT')
    expect(JSON.stringify([plain, plain.message])).not.toContain('alice')
  })
})
