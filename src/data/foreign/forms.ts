/** What values look like from the outside. Recognising a form needs no key and proves nothing. */
import { isCiphertext } from '../../crypto/ciphertext.ts'
import { looksLikeToken } from '../../crypto/token.ts'

const TEXT_PREFIX = 'kw1.'
/** Version byte 80 and a time before the year 4147: what every token begins with. */
const FERNET_PREFIX = 'gAAAAA'
const VAULT = /^vault:v[0-9]+:/
/** No prefix is longer. */
const LONGEST_PREFIX = 24

/** The beginning of a value as text; bytes may hold the ASCII of a token. */
function beginning(value: string | Uint8Array): string {
  if (typeof value === 'string') return value
  return Buffer.from(value.buffer, value.byteOffset, Math.min(value.length, LONGEST_PREFIX)).toString(
    'latin1',
  )
}

/** Whether the value is, or was meant to be, a Keywright ciphertext: one that was cut is no plain text. */
export function looksCurrent(value: string | Uint8Array): boolean {
  return typeof value === 'string' ? value.startsWith(TEXT_PREFIX) : isCiphertext(value)
}

/** The same for a Fernet token, as text or as the bytes of that text. */
export function looksLikeFernet(value: string | Uint8Array): boolean {
  return beginning(value).startsWith(FERNET_PREFIX)
}

/**
 * Whether the value looks like the ciphertext of some library, so that it is not taken for plain text: encrypting it
 * once more would hide it for good.
 */
export function looksEncrypted(value: string | Uint8Array): boolean {
  const start = beginning(value)
  return (
    looksCurrent(value) ||
    start.startsWith(TEXT_PREFIX) ||
    looksLikeToken(start) ||
    looksLikeFernet(value) ||
    VAULT.test(start)
  )
}
