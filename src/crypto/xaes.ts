/**
 * Key derivation of XAES-256-GCM (C2SP, c2sp.org/XAES-256-GCM), which is also Tink's X-AES-GCM: a key of its
 * own for every message, so that random nonces are safe far beyond 2^32 messages. It is the NIST SP 800-108
 * counter mode with CMAC, which for these inputs comes down to two AES blocks.
 */
import { type Cipheriv, createCipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { KeywrightError } from '../errors.ts'
import { assertBytes, wipe } from './bytes.ts'

/** What a key needs once: a running AES (ECB has no state) and both input blocks without the salt. */
interface Prepared {
  readonly aes: Cipheriv
  readonly blocks: Uint8Array
}

const BLOCK = 16
const SALT_OFFSET = 4
const MIN_SALT_BYTES = 8 // Tink's shortest
const MAX_SALT_BYTES = 12

// Weak, so that a key's AES schedule goes when the key goes.
const preparedKeys = new WeakMap<KeyObject, Prepared>()

/**
 * The AES-256-GCM key for one message under `key`. The caller then uses it with the 12-byte IV that follows
 * the salt: nonce (24) = salt (12) || IV (12). Tink's salts of 8 to 11 bytes count as padded with zeros to
 * 12.
 *
 * Throws ERR_ARGUMENT_INVALID unless `key` is a secret key of 32 bytes and `salt` has 8 to 12.
 */
export function xaesSubkey(key: KeyObject, salt: Uint8Array): KeyObject {
  assertBytes(salt, 'salt')
  if (salt.length < MIN_SALT_BYTES || salt.length > MAX_SALT_BYTES) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `"salt" expected 8 to 12 bytes, got ${salt.length}`, {
      hint: 'pass the first 12 bytes of the nonce',
    })
  }
  const { aes, blocks } = preparedKeys.get(key) ?? prepare(key)
  const input = new Uint8Array(blocks)
  for (let i = 0; i < salt.length; i++) {
    const byte = salt[i] ?? 0
    input[SALT_OFFSET + i] = (input[SALT_OFFSET + i] ?? 0) ^ byte
    input[BLOCK + SALT_OFFSET + i] = (input[BLOCK + SALT_OFFSET + i] ?? 0) ^ byte
  }
  const derived = aes.update(input)
  const subkey = createSecretKey(derived)
  wipe(derived, input)
  return subkey
}

function prepare(key: KeyObject): Prepared {
  if (key.type !== 'secret' || key.symmetricKeySize !== 32) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', '"key" expected a secret key of 32 bytes', {
      hint: 'make it with createSecretKey from the 32 bytes of a data key',
    })
  }
  const aes = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false)
  const k1 = aes.update(new Uint8Array(BLOCK))
  doubleInField(k1)
  const blocks = new Uint8Array(2 * BLOCK)
  for (const counter of [1, 2]) {
    const block = blocks.subarray((counter - 1) * BLOCK, counter * BLOCK)
    block.set(k1)
    block[1] = (block[1] ?? 0) ^ counter
    block[2] = (block[2] ?? 0) ^ 0x58 // 'X', the label
  }
  wipe(k1)
  const prepared = { aes, blocks }
  preparedKeys.set(key, prepared)
  return prepared
}

/** CMAC's subkey step (NIST SP 800-38B): shifts left by one bit, folding the bit that falls out back in. */
function doubleInField(block: Uint8Array): void {
  const carry = (block[0] ?? 0) >> 7
  for (let i = 0; i < BLOCK; i++) block[i] = ((block[i] ?? 0) << 1) | ((block[i + 1] ?? 0) >> 7)
  block[BLOCK - 1] = (block[BLOCK - 1] ?? 0) ^ (carry * 0x87)
}
