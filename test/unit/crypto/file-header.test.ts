/** The header of encrypted files: what it says, and everything it refuses before a key is touched. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  encodeFileHeader,
  hasFileMagic,
  headerLength,
  parseFileHeader,
} from '../../../src/crypto/file-header.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const codeOf = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'none'
}

it('is what the format says', () => {
  const bare = encodeFileHeader({ keyId: 0xfedcba98, compression: 'none' })
  expect(bare).toEqual(hex('4b574631 000c fedcba98 0000'))
  const parts = { recovery: Uint8Array.of(7, 8), name: Uint8Array.of(9) }
  const full = encodeFileHeader({ keyId: 1, compression: 'zstd', ...parts })
  expect(full).toEqual(hex('4b574631 0013 00000001 0007 0002 0708 0001 09'))
  expect(parseFileHeader(full)).toEqual({ keyId: 1, compression: 'zstd', ...parts })
})

it('says the same after it was written and read', () => {
  const part = fc.option(fc.uint8Array({ minLength: 1, maxLength: 200 }), { nil: undefined })
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      fc.constantFrom('none', 'zstd'),
      part,
      part,
      (keyId, compression, recovery, name) => {
        const header = {
          keyId,
          compression,
          ...(recovery === undefined ? {} : { recovery: Uint8Array.from(recovery) }),
          ...(name === undefined ? {} : { name: Uint8Array.from(name) }),
        } as const
        const bytes = encodeFileHeader(header)
        expect(headerLength(bytes)).toBe(bytes.length)
        expect(hasFileMagic(bytes)).toBe(true)
        expect(parseFileHeader(bytes)).toEqual(header)
      },
    ),
  )
})

describe('refuses', () => {
  it.each([
    ['nothing', '', 'ERR_CIPHERTEXT_EMPTY'],
    ['plain text', '68656c6c6f20776f726c64', 'ERR_NOT_CIPHERTEXT'],
    ['less than a magic', '4b57', 'ERR_NOT_CIPHERTEXT'],
    ['another version', '4b574632 000c 00000001 0000', 'ERR_FILE_DAMAGED'],
    ['an end within the length', '4b574631 00', 'ERR_FILE_DAMAGED'],
    ['an end within the header', '4b574631 000c 00000001 00', 'ERR_FILE_DAMAGED'],
    ['a header shorter than any', '4b574631 000b 00000001 00', 'ERR_FILE_DAMAGED'],
    ['key 0', '4b574631 000c 00000000 0000', 'ERR_FILE_DAMAGED'],
    ['an unknown flag', '4b574631 000c 00000001 0008', 'ERR_FILE_DAMAGED'],
    ['the highest flag', '4b574631 000c 00000001 8000', 'ERR_FILE_DAMAGED'],
    ['a part without its flag', '4b574631 000f 00000001 0000 0001 09', 'ERR_FILE_DAMAGED'],
    ['a flag without its part', '4b574631 000c 00000001 0002', 'ERR_FILE_DAMAGED'],
    ['an empty part', '4b574631 000e 00000001 0002 0000', 'ERR_FILE_DAMAGED'],
    ['a part longer than the header', '4b574631 000f 00000001 0002 0002 09', 'ERR_FILE_DAMAGED'],
    ['something behind the parts', '4b574631 0010 00000001 0002 0001 09 00', 'ERR_FILE_DAMAGED'],
  ])('%s', (_, bytes, code) => {
    expect(codeOf(() => parseFileHeader(hex(bytes)))).toBe(code)
  })

  it('whatever else it does not write', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (tail) => {
        const bytes = Buffer.concat([Buffer.from('KWF1'), tail])
        try {
          expect(encodeFileHeader(parseFileHeader(bytes))).toEqual(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_FILE_DAMAGED' })
        }
      }),
    )
  })

  it('to write more than its length can say', () => {
    const recovery = new Uint8Array(65_530)
    expect(codeOf(() => encodeFileHeader({ keyId: 1, compression: 'none', recovery }))).toBe(
      'ERR_VALUE_TOO_LARGE',
    )
  })
})
