/** Plain text, as it stood before encryption was switched on. */
import { looksEncrypted } from './forms.ts'
import type { ForeignReader } from './reader.ts'

/** Takes everything that does not look like a ciphertext, so it is asked last. */
export const plainReader: ForeignReader = {
  name: 'plain',
  recognises: (value) => !looksEncrypted(value),
  open(value) {
    if (typeof value === 'string') return value.isWellFormed() ? Buffer.from(value, 'utf8') : undefined
    return Uint8Array.from(value)
  },
}
