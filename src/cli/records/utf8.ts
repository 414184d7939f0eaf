/** Bytes to text, refusing what is not UTF-8: a replacement character in its place would be data lost for ever. */
import { isUtf8 } from 'node:buffer'
import { KeywrightError } from '../../errors.ts'

const LF = 0x0a
const BOM = Buffer.from([0xef, 0xbb, 0xbf])

/** Text as it comes. `onBom` is called when a byte order mark stands at the start; it is not part of the text. */
export async function* utf8Text(
  source: AsyncIterable<Uint8Array | string>,
  onBom: () => void,
): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0)
  let offset = 0
  let lines = 0
  let isStart = true
  for await (const chunk of source) {
    let bytes = Buffer.concat([rest, typeof chunk === 'string' ? Buffer.from(chunk) : chunk])
    if (isStart) {
      if (bytes.length < BOM.length && BOM.subarray(0, bytes.length).equals(bytes)) {
        rest = bytes
        continue
      }
      isStart = false
      if (bytes.subarray(0, BOM.length).equals(BOM)) {
        onBom()
        bytes = bytes.subarray(BOM.length)
        offset = BOM.length
      }
    }
    const end = bytes.length - unfinished(bytes)
    const whole = bytes.subarray(0, end)
    if (!isUtf8(whole)) throw broken(whole, offset, lines)
    rest = bytes.subarray(end)
    offset += end
    lines += countLines(whole)
    if (whole.length > 0) yield whole.toString('utf8')
  }
  if (rest.length > 0) throw broken(rest, offset, lines)
}

/** How many bytes at the end begin a character that is not complete. */
function unfinished(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return 0
    if (byte >= 0xc0) return lengthOf(byte) > back ? back : 0
  }
  return 0
}

/** Bytes of the character that begins with `lead`; 1 for what begins none. */
function lengthOf(lead: number): number {
  if (lead >= 0xf0) return 4
  if (lead >= 0xe0) return 3
  return lead >= 0xc0 ? 2 : 1
}

function countLines(bytes: Buffer): number {
  let lines = 0
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) lines++
  return lines
}

function broken(bytes: Buffer, offset: number, lines: number): KeywrightError {
  let at = 0
  while (at < bytes.length) {
    const length = lengthOf(bytes[at] ?? 0)
    if (!isUtf8(bytes.subarray(at, at + length))) break
    at += length
  }
  const line = lines + countLines(bytes.subarray(0, at)) + 1
  return new KeywrightError('ERR_INPUT_INVALID', `line ${line}: byte ${offset + at} is not UTF-8`, {
    hint: 'convert the file first, for instance: iconv -f WINDOWS-1252 -t UTF-8',
    details: { line, byte: offset + at },
  })
}
