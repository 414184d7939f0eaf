/**
 * AADs for a loop over rows. What changes from row to row is its id, which is a number or a UUID, mostly: its characters
 * are written into the bytes of the AAD before, and nothing is allocated.
 */
import { type Context, canonicalBytes } from '../../crypto/canonical.ts'
import { bindPlace } from '../../data/binding.ts'

const LONGEST_ID = 64
const SPACE = 0x20
const QUOTE = 0x22
const BACKSLASH = 0x5c
const TILDE = 0x7e
const MEMBER = '"row":"'

/**
 * Gives the AAD for a row, or for none, byte for byte as `bindPlace` does. It is overwritten by the next call: use it
 * before anything is awaited, and keep it nowhere.
 */
export function loopAad(context: Context): (row: string | undefined) => Buffer {
  let bound: ReturnType<typeof bindPlace> | undefined
  const slow = (row: string | undefined): Buffer => {
    bound ??= bindPlace(context)
    return bound(row)
  }
  const empty = canonicalBytes({ ...context, row: '' })
  const from = empty.indexOf(MEMBER) + MEMBER.length // a quote in a value has a backslash before it
  const tail = empty.subarray(from)
  const bytes = Buffer.alloc(empty.length + LONGEST_ID)
  empty.copy(bytes)
  let aad = bytes.subarray(0, empty.length)
  let length = 0
  return (row) => {
    if (row === undefined || row.length > LONGEST_ID) return slow(row)
    if (row.length !== length) {
      length = row.length
      bytes.set(tail, from + length)
      aad = bytes.subarray(0, empty.length + length)
    }
    for (let at = 0; at < length; at++) {
      const code = row.charCodeAt(at)
      if (code < SPACE || code > TILDE || code === QUOTE || code === BACKSLASH) return slow(row)
      bytes[from + at] = code
    }
    return aad
  }
}
