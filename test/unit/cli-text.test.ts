import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8Text } from '../../src/cli/records/utf8.ts'
import { instant, paint, printable, relative, span, table } from '../../src/cli/text.ts'
import { parseContext, parseKeyId, parseTime } from '../../src/cli/values.ts'

const NOW = Date.UTC(2026, 4, 1)
const DAY_MS = 86_400_000

describe('tables', () => {
  it('are aligned whatever the width of their letters, without spaces at the ends of lines', () => {
    const text = table(
      [{ title: 'name' }, { title: 'n', align: 'right' }, { title: 'last' }],
      [
        ['日本', '1', 'x'],
        ['👍🏽é', '200', ''],
      ],
      false,
    )
    expect(text).toBe('NAME    N  LAST\n日本    1  x\n👍🏽é   200\n')
  })

  it('do not let a value drive the terminal', () => {
    expect(table([{ title: 'a' }], [['\u001b[2Jx\n\u202e']], true)).toContain('\\u001b[2Jx\\u000a\\u202e\n')
    expect(printable('plain é 🗝')).toBe('plain é 🗝')
  })

  it('are painted without moving', () => {
    const rows = [[{ text: 'ok', style: 'green' as const }, 'b']]
    const columns = [{ title: 'state' }, { title: 'x' }]
    const colour = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g')
    expect(table(columns, rows, true).replace(colour, '')).toBe(table(columns, rows, false))
    expect(paint('x', 'red', false)).toBe('x')
  })
})

describe('times', () => {
  it.each([
    [0, 'now'],
    [999, 'now'],
    [12 * DAY_MS, 'in 12 days'],
    [-3 * 3_600_000, '3 hours ago'],
    [-1000, '1 second ago'],
    [DAY_MS * 1.99, 'in 1 day'],
  ])('%i ms from now is %s', (ms, text) => expect(relative(NOW + ms, NOW)).toBe(text))

  it('are ISO with the distance', () => {
    expect(instant(NOW + DAY_MS, NOW)).toBe('2026-05-02T00:00:00Z (in 1 day)')
    expect(span(400)).toBe('0 seconds')
  })

  it.each([
    ['7d', NOW - 7 * DAY_MS],
    ['2026-04-30', NOW - DAY_MS],
    ['2026-05-01T02:00:00+02:00', NOW],
  ])('are read from %s', (text, at) => expect(parseTime('since', text, NOW)).toBe(at))

  it.each(['', 'now', '2026-13-01', '2026-05-01T00:00', '7', '1.5d'])('are not read from %j', (text) => {
    expect(() => parseTime('since', text, NOW)).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT_INVALID' }),
    )
  })
})

describe('arguments', () => {
  it.each([
    ['1', 1],
    ['4294967295', 0xffffffff],
    ['007', 7],
  ])('key id %s', (text, id) => {
    expect(parseKeyId(text)).toBe(id)
  })

  it.each([undefined, '', '0', '-1', '4294967296', '1e3', '0x10', ' 1'])('no key id: %j', (text) => {
    expect(() => parseKeyId(text)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT_INVALID' }))
  })

  it('context values may hold "=" and a name like a member of objects', () => {
    expect({ ...parseContext(['a=b=c', '__proto__=x']) }).toEqual(
      Object.fromEntries([
        ['a', 'b=c'],
        ['__proto__', 'x'],
      ]),
    )
  })

  it.each([[['a']], [['=a']], [['a=1', 'a=2']]])('no context: %j', (pairs) => {
    expect(() => parseContext(pairs)).toThrow(expect.objectContaining({ code: 'ERR_CONTEXT_INVALID' }))
  })
})

describe('UTF-8', () => {
  const read = async (chunks: readonly Uint8Array[]): Promise<{ text: string; bom: boolean }> => {
    let bom = false
    let text = ''
    const source = (async function* () {
      yield* chunks
    })()
    for await (const part of utf8Text(source, () => {
      bom = true
    }))
      text += part
    return { text, bom }
  }

  const cut = (bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] => {
    const chunks: Uint8Array[] = []
    let at = 0
    for (const size of sizes) {
      chunks.push(bytes.subarray(at, at + size))
      at += size
    }
    return [...chunks, bytes.subarray(at)]
  }

  it('is read the same however it is cut', async () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.boolean(), sizes, async (text, mark, pieces) => {
        const expected = text.replace(/^\ufeff+/, '')
        const bytes = Buffer.from((mark ? '\ufeff' : '') + expected)
        expect(await read(cut(bytes, pieces))).toEqual({ text: expected, bom: mark })
      }),
    )
  })

  it('is refused with line and byte where it is broken, however it is cut', async () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 30 })
    const bad = fc.constantFrom(
      [0xff],
      [0xc3, 0x28],
      [0xe2, 0x82],
      [0xed, 0xa0, 0x80],
      [0xf8, 0x88],
      [0x80],
      [0xc0, 0xaf],
    )
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), bad, sizes, async (text, broken, pieces) => {
        const before = Buffer.from(text)
        const bytes = Buffer.concat([before, Buffer.from(broken), Buffer.from('\nx')])
        await expect(read(cut(bytes, pieces))).rejects.toMatchObject({
          code: 'ERR_INPUT_INVALID',
          details: { byte: before.length, line: text.split('\n').length },
        })
      }),
    )
  })
})
