/**
 * Other libraries doing the same work: encrypt one short text under a key that is at hand, bound to a context where
 * the library can do that, and give text that fits a database column where it makes text by itself.
 *
 * `cd bench/rivals && npm ci --ignore-scripts` first. Each library loads only in its own `setup()`.
 */

import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'

/**
 * @typedef {object} Bench
 * @property {(text: string) => string | Buffer | Promise<string | Buffer>} encrypt
 * @property {(sealed: string | Buffer) => string | Promise<string>} decrypt
 * @property {boolean} sync whether both return at once
 *
 * @typedef {object} Rival
 * @property {string} name
 * @property {string} version
 * @property {string} note what it does differently, so that a number is not read for more than it says
 * @property {() => Promise<Bench>} setup
 */

const CONTEXT = { column: 'ssn', keyring: 'pii', table: 'users' }
const CONTEXT_BYTES = Buffer.from(JSON.stringify(CONTEXT))

const require = createRequire(import.meta.url)
const packageFile = (name) => new URL(`node_modules/${name}/package.json`, import.meta.url)
const versionOf = (name) => require(packageFile(name).pathname).version

async function cloak() {
  const { decryptStringSync, encryptStringSync, generateKey, parseKeySync } = await import('@47ng/cloak')
  const key = parseKeySync(generateKey())
  return {
    sync: true,
    encrypt: (text) => encryptStringSync(text, key),
    decrypt: (sealed) => decryptStringSync(sealed, key),
  }
}

async function fernet() {
  const { default: library } = await import('fernet')
  const secret = new library.Secret(randomBytes(32).toString('base64url'))
  return {
    sync: true,
    encrypt: (text) => new library.Token({ secret }).encode(text),
    decrypt: (token) => new library.Token({ secret, token, ttl: 0 }).decode(),
  }
}

async function jose() {
  const { compactDecrypt, CompactEncrypt } = await import('jose')
  const { createSecretKey } = await import('node:crypto')
  const key = createSecretKey(randomBytes(32))
  const encoder = new TextEncoder()
  const decoder = new TextDecoder()
  const header = { alg: 'dir', enc: 'A256GCM', ...CONTEXT }
  return {
    sync: false,
    encrypt: (text) => new CompactEncrypt(encoder.encode(text)).setProtectedHeader(header).encrypt(key),
    decrypt: async (sealed) => decoder.decode((await compactDecrypt(sealed, key)).plaintext),
  }
}

async function tink() {
  // A library for browsers: it looks for `self.crypto`.
  globalThis.self ??= globalThis
  const { aead, generateNewKeysetHandle } = (await import('tink-crypto')).default
  aead.register()
  const handle = await generateNewKeysetHandle(aead.aes256GcmKeyTemplate())
  const primitive = await handle.getPrimitive(aead.Aead)
  return {
    sync: false,
    encrypt: async (text) => Buffer.from(await primitive.encrypt(Buffer.from(text), CONTEXT_BYTES)),
    decrypt: async (sealed) => Buffer.from(await primitive.decrypt(sealed, CONTEXT_BYTES)).toString('utf8'),
  }
}

/** The AWS Encryption SDK under a raw AES key, so that no call leaves the process. */
async function awsEncryptionSdk(cached) {
  const sdk = await import('@aws-crypto/client-node')
  const client = sdk.buildClient(sdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
  const wrappingSuite = sdk.RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING
  const keyring = new sdk.RawAesKeyringNode({
    keyName: 'bench',
    keyNamespace: 'keywright',
    unencryptedMasterKey: randomBytes(32),
    wrappingSuite,
  })
  const materials = cached
    ? new sdk.NodeCachingMaterialsManager({
        backingMaterials: keyring,
        cache: sdk.getLocalCryptographicMaterialsCache(1000),
        maxAge: 3_600_000,
        partition: 'bench',
      })
    : keyring
  const suiteId = sdk.AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY
  return {
    sync: false,
    // The cache serves a message only when it knows its length before.
    encrypt: async (text) => {
      const plaintextLength = Buffer.byteLength(text)
      const options = { suiteId, encryptionContext: CONTEXT, plaintextLength }
      return (await client.encrypt(materials, text, options)).result
    },
    decrypt: async (sealed) => {
      const { plaintext, messageHeader } = await client.decrypt(materials, sealed)
      const found = messageHeader.encryptionContext
      for (const [name, value] of Object.entries(CONTEXT)) {
        if (found[name] !== value) throw new Error('the message belongs to another context')
      }
      return plaintext.toString('utf8')
    },
  }
}

/** Streams of the AWS Encryption SDK under a raw AES key, for files. */
export async function awsEncryptStream() {
  const sdk = await import('@aws-crypto/client-node')
  const client = sdk.buildClient(sdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
  const keyring = new sdk.RawAesKeyringNode({
    keyName: 'bench',
    keyNamespace: 'keywright',
    unencryptedMasterKey: randomBytes(32),
    wrappingSuite: sdk.RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  })
  const suiteId = sdk.AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY
  return () => client.encryptStream(keyring, { suiteId, encryptionContext: CONTEXT, frameLength: 65_536 })
}

async function sodium() {
  const { default: library } = await import('sodium-native')
  const NONCE = library.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
  const TAG = library.crypto_aead_xchacha20poly1305_ietf_ABYTES
  const key = randomBytes(library.crypto_aead_xchacha20poly1305_ietf_KEYBYTES)
  return {
    sync: true,
    encrypt: (text) => {
      const message = Buffer.from(text)
      const sealed = Buffer.allocUnsafe(NONCE + message.length + TAG)
      const nonce = sealed.subarray(0, NONCE)
      library.randombytes_buf(nonce)
      const rest = sealed.subarray(NONCE)
      library.crypto_aead_xchacha20poly1305_ietf_encrypt(rest, message, CONTEXT_BYTES, null, nonce, key)
      return sealed
    },
    decrypt: (sealed) => {
      const message = Buffer.allocUnsafe(sealed.length - NONCE - TAG)
      const [nonce, rest] = [sealed.subarray(0, NONCE), sealed.subarray(NONCE)]
      library.crypto_aead_xchacha20poly1305_ietf_decrypt(message, null, rest, CONTEXT_BYTES, nonce, key)
      return message.toString('utf8')
    },
  }
}

/** @type {readonly Rival[]} */
export const rivals = [
  {
    name: '@47ng/cloak',
    version: versionOf('@47ng/cloak'),
    note: 'AES-256-GCM, text; binds no context; the key is parsed once',
    setup: cloak,
  },
  {
    name: 'fernet',
    version: versionOf('fernet'),
    note: 'AES-128-CBC with HMAC in JavaScript (crypto-js), text; binds no context',
    setup: fernet,
  },
  {
    name: 'jose',
    version: versionOf('jose'),
    note: 'compact JWE, dir and A256GCM, text; the context stands in the protected header, readable',
    setup: jose,
  },
  {
    name: 'tink-crypto',
    version: versionOf('tink-crypto'),
    note: 'AES-256-GCM in the wire format we use, bytes; abandoned in 2023; sets globalThis.self',
    setup: tink,
  },
  {
    name: 'AWS Encryption SDK',
    version: versionOf('@aws-crypto/client-node'),
    note: 'raw AES keyring, key commitment, no signature; a new data key for each message; bytes',
    setup: () => awsEncryptionSdk(false),
  },
  {
    name: 'AWS Encryption SDK, cached',
    version: versionOf('@aws-crypto/client-node'),
    note: 'as above with the caching materials manager: one data key for many messages',
    setup: () => awsEncryptionSdk(true),
  },
  {
    name: 'sodium-native',
    version: versionOf('sodium-native'),
    note: 'XChaCha20-Poly1305 of libsodium, a bare primitive: no key id, no rotation; bytes',
    setup: sodium,
  },
]

/** Libraries that belong here and cannot be measured, with the reason. */
export const leftOut = [
  {
    name: 'mongodb-client-encryption',
    note: 'ClientEncryption keeps its data keys in a MongoDB collection, so it needs a server; its binary is downloaded from outside the npm registry when it is installed',
  },
]
