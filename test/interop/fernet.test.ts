/** What Python's cryptography writes our reader reads, MultiFernet with rotated keys too, and the other way round. */
import { describe, expect, it } from 'vitest'
import { writeFernet } from '../../src/data/foreign/fernet.ts'
import { fernetKeys } from '../../src/data/foreign/fernet-key.ts'
import { ForeignReaders } from '../../src/data/foreign/readers.ts'
import { openFernetPeer } from './fernet-peer.ts'

const OLD = 'cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4='
const NEW = 'VGhpcyBpcyAzMiBieXRlcyBvZiBrZXkgbWF0ZXJpYWw='
const VALUES = [
  ...['', 'a', 'exactly 16 bytes', 'Łódź 🔑', 'x'.repeat(10_000)].map((text) => Buffer.from(text)),
  Buffer.from([0, 1, 0x80, 0xff]),
]
const BASE64 = VALUES.map((value) => value.toString('base64'))

const peer = await openFernetPeer()

if ('missing' in peer) {
  it('cryptography for Python', (context) => context.skip(peer.missing))
} else {
  const open = (tokens: readonly (string | null)[], keys: readonly string[]) => {
    const [reader] = new ForeignReaders({ fernetKeys: keys }).named(['fernet'])
    return tokens.map((token) => {
      expect(reader?.recognises(token ?? '')).toBe(true)
      return reader?.open(token ?? '')
    })
  }

  describe('reading', async () => {
    const [single = [], other = []] = await peer([
      { op: 'encrypt', keys: [OLD], values: BASE64 },
      { op: 'encrypt', keys: [NEW], values: BASE64 },
    ])
    const [rotated = []] = await peer([{ op: 'rotate', keys: [NEW, OLD], values: single as string[] }])

    it.each([
      ['one key', single, [OLD]],
      ['keys in any order', single, [NEW, OLD]],
      ['tokens of several keys', other, [OLD, NEW]],
      ['rotated tokens', rotated, [NEW]],
    ])('%s', (_, tokens, keys) => {
      expect(open(tokens, keys)).toEqual(VALUES)
    })

    it('takes tokens as the bytes of their text', () => {
      const [reader] = new ForeignReaders({ fernetKeys: [OLD] }).named(['fernet'])
      const bytes = Buffer.from(single[3] ?? '')
      expect(reader?.recognises(bytes)).toBe(true)
      expect(reader?.open(bytes)).toEqual(VALUES[3])
    })

    it('does not open with another key', () => {
      expect(open(rotated, [OLD])).toEqual(VALUES.map(() => undefined))
    })
  })

  it('Python reads what we write', async () => {
    const keys = fernetKeys([NEW, OLD])
    const tokens = VALUES.map((value, at) =>
      writeFernet(keys[at % 2] ?? never(), value, Date.UTC(2026, 0, 1)),
    )
    expect(await peer([{ op: 'decrypt', keys: [NEW, OLD], values: tokens }])).toEqual([BASE64])
  })
}

function never(): never {
  throw new Error('there are two keys')
}
