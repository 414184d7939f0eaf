/** Fernet keys: 32 bytes, of which the first 16 sign and the last 16 encrypt (github.com/fernet/spec). */
import { createSecretKey, type KeyObject } from 'node:crypto'
import { fromBase64url, wipe } from '../../crypto/bytes.ts'
import { KeywrightError } from '../../errors.ts'

export interface FernetKey {
  readonly signing: KeyObject
  readonly encryption: KeyObject
}

const KEY_BYTES = 32
const HALF = 16
const FERNET_TEXT = /^[A-Za-z0-9_-]{43}=$/

/**
 * Keys from texts. Each text may hold several, separated by commas or lines; what follows a `#` on a line is ignored.
 * A key is base64url of 32 bytes, as `Fernet.generate_key()` prints it; standard base64, missing padding and the
 * base64 of a key's text are taken as well. The order stays. Throws ERR_ARGUMENT_INVALID, which tells the number of
 * the key and its length, never the key.
 */
export function fernetKeys(texts: readonly string[]): FernetKey[] {
  const parts = texts.flatMap((text) =>
    text.split(/\r?\n/).flatMap((line) => line.replace(/#.*$/, '').split(',')),
  )
  const keys = parts.map((part) => part.trim()).filter((part) => part !== '')
  return keys.map((text, index) => parseKey(text) ?? refuse(text, index + 1, keys.length))
}

function parseKey(text: string): FernetKey | undefined {
  const bytes = decode(text)
  const key = bytes?.length === KEY_BYTES ? bytes : decode(innerText(bytes))
  try {
    if (key?.length !== KEY_BYTES) return undefined
    return {
      signing: createSecretKey(key.subarray(0, HALF)),
      encryption: createSecretKey(key.subarray(HALF)),
    }
  } finally {
    wipe(bytes, key)
  }
}

const innerText = (bytes: Buffer | undefined): string => {
  const text = bytes?.toString('latin1') ?? ''
  return FERNET_TEXT.test(text) ? text : ''
}

function decode(text: string): Buffer | undefined {
  const urlSafe = text
    .replace(/={0,2}$/, '')
    .replaceAll('+', '-')
    .replaceAll('/', '_')
  return urlSafe === '' ? undefined : fromBase64url(urlSafe)
}

function refuse(text: string, number: number, of: number): never {
  throw new KeywrightError(
    'ERR_ARGUMENT_INVALID',
    `Fernet key ${number} of ${of} is none (${text.length} characters, expected 44 of base64url)`,
    {
      hint: 'keys come from "fernetKeys", --old-key-file (one a line), ENCRYPTION_KEY and OLD_ENCRYPTION_KEY (joined by commas)',
      details: { number },
    },
  )
}
