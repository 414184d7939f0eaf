/** The root secret: what seals the master keys of the providers that hold them themselves. */
import { createSecretKey, type KeyObject } from 'node:crypto'
import { KeywrightError, type RootSecretText } from '../../src/provider.ts'

/** A random key of 32 bytes, or a password, which goes through a slow key derivation first. */
export type RootSecret =
  | { readonly kind: 'key'; readonly bytes: Uint8Array }
  | { readonly kind: 'password'; readonly password: string }

/** A root secret as it is kept: in a key object, which no log or inspection prints. */
export interface HeldRootSecret {
  readonly kind: 'key' | 'password'
  /** The 32 bytes, or the UTF-8 of the password in Unicode NFC. */
  readonly key: KeyObject
}

const KEY_BYTES = 32
const FERNET_CHARACTERS = 44
const SHORTEST_PASSWORD = 8

const ACCEPTED =
  'use 32 random bytes as base64, base64url or 64 hex digits, or the base64 of a Fernet key; make one with: openssl rand -base64 32'

/**
 * The 32 bytes of a root key in one of its spellings: base64 or base64url (padded or not), 64 hex digits, a
 * Fernet key (which is base64url of 32 bytes), or the base64 of a Fernet key's 44 characters. White space
 * around it is ignored.
 *
 * @throws KeywrightError ERR_ROOT_SECRET_INVALID for anything else, and for 32 times the same byte. It tells
 * the number of bytes found, never the value.
 */
export function parseRootKey(text: string): Uint8Array {
  const trimmed = text.trim()
  const decoded = isHex(trimmed) ? Buffer.from(trimmed, 'hex') : decodeBase64(trimmed)
  if (decoded === undefined) throw invalid(describeUndecodable(trimmed), ACCEPTED)
  const fernet = decoded.length === FERNET_CHARACTERS ? decodeFernetKey(decoded) : undefined
  const found = fernet ?? decoded
  const length = found.length
  const key = Uint8Array.from(found) // a small Buffer is a slice of a pool that lives on
  decoded.fill(0)
  fernet?.fill(0)
  if (length !== KEY_BYTES) throw invalid(`the root key has ${length} bytes, expected ${KEY_BYTES}`, ACCEPTED)
  assertNotUniform(key)
  return key
}

/** The root secret that a text means. Throws as `parseRootKey` does. */
export function parseRootSecret({ kind, text }: RootSecretText): RootSecret {
  return kind === 'key' ? { kind, bytes: parseRootKey(text) } : { kind, password: text }
}

/**
 * Copies a root secret into a key object.
 *
 * @throws KeywrightError ERR_ROOT_SECRET_INVALID for a key that is not 32 bytes or 32 times the same byte,
 * and for a password that is shorter than 8 characters or not well-formed Unicode.
 */
export function holdRootSecret(secret: RootSecret): HeldRootSecret {
  const bytes = secret.kind === 'key' ? Uint8Array.from(secret.bytes) : passwordBytes(secret.password)
  if (secret.kind === 'key') {
    if (bytes.length !== KEY_BYTES) {
      throw invalid(`the root key has ${bytes.length} bytes, expected ${KEY_BYTES}`, ACCEPTED)
    }
    assertNotUniform(bytes)
  }
  const key = createSecretKey(bytes)
  bytes.fill(0)
  return { kind: secret.kind, key }
}

function passwordBytes(password: string): Uint8Array {
  if (!password.isWellFormed()) {
    throw invalid('the master password holds a lone surrogate', 'use well-formed Unicode text')
  }
  // One password typed on two systems may be composed differently; RFC 8265 says NFC for passwords.
  const normalised = password.normalize('NFC')
  if ([...normalised].length < SHORTEST_PASSWORD) {
    throw invalid(
      `the master password is shorter than ${SHORTEST_PASSWORD} characters`,
      'choose a long passphrase, or better a random key: openssl rand -base64 32',
    )
  }
  return new TextEncoder().encode(normalised)
}

function isHex(text: string): boolean {
  return text.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(text)
}

/**
 * Buffer.from skips characters that do not belong; so one alphabet, right padding and the canonical spelling.
 */
function decodeBase64(text: string): Buffer | undefined {
  const match = /^(?:([A-Za-z0-9+/]+)|([A-Za-z0-9_-]+))(={0,2})$/.exec(text)
  if (match === null) return undefined
  const [, standard, urlSafe, padding = ''] = match
  if (padding !== '' && text.length % 4 !== 0) return undefined
  const encoding = standard === undefined ? 'base64url' : 'base64'
  const bytes = Buffer.from(text, encoding)
  const canonical = bytes.toString(encoding).replace(/=+$/, '') === (standard ?? urlSafe)
  return canonical ? bytes : undefined
}

function decodeFernetKey(ascii: Buffer): Buffer | undefined {
  const text = ascii.toString('latin1')
  return /^[A-Za-z0-9_-]{43}=$/.test(text) ? decodeBase64(text) : undefined
}

function describeUndecodable(text: string): string {
  if (text === '') return 'the root key has 0 bytes, expected 32'
  return `the root key is neither base64 nor hex (${Buffer.byteLength(text)} bytes of text)`
}

/** 32 times one byte is a placeholder, not a key. */
function assertNotUniform(key: Uint8Array): void {
  if (key.some((byte) => byte !== key[0])) return
  key.fill(0)
  throw invalid(`the root key is ${KEY_BYTES} times the same byte`, ACCEPTED)
}

function invalid(message: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_ROOT_SECRET_INVALID', message, { hint })
}
