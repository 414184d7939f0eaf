/**
 * Wrapping, unwrapping and renewing a wrap.
 *
 * Encrypt does not say which key material it used; Decrypt and ReEncrypt do. So every new wrap is decrypted once: that
 * names its exact material, and proves that it opens. DescribeKey would not do on AWS, where it may lag behind a
 * rotation: https://docs.aws.amazon.com/kms/latest/developerguide/accessing-kms.html#programming-eventual-consistency
 */
import { timingSafeEqual } from 'node:crypto'
import { type CallOptions, KeywrightError, type WrapContext, type WrappedKey } from '../../src/provider.ts'
import { copyPayload } from '../local/call.ts'
import { corrupted, errorCode, unwrapFailed } from './errors.ts'
import { isArnOf, isSameKey, type KeyArn, type KeyName, keyIdFor, parseKeyArn } from './key-name.ts'
import { describeKey, isVersion, materialId, ownArn, UNVERSIONED } from './key-state.ts'
import type { AwsKmsSettings } from './options.ts'
import type { Place, Regions } from './regions.ts'
import { ALGORITHM, type AwsDecryptReply } from './sdk.ts'

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html#KMS-Encrypt-request-Plaintext */
export const MAX_PLAINTEXT_BYTES = 4096
/** https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#KMS-Decrypt-request-CiphertextBlob */
const MAX_CIPHERTEXT_BYTES = 6144

/** A ciphertext, its key, and its key material where a reply has named it. */
interface Sealed {
  readonly ciphertext: Uint8Array
  readonly arn: string
  readonly material: string | undefined
}

/** A stored wrap after its label was checked, and the configured key that it belongs to. */
interface Known {
  readonly key: KeyName
  readonly arn: KeyArn
  readonly version: string
  readonly ciphertext: Uint8Array
}

export class Wraps {
  readonly #settings: AwsKmsSettings
  readonly #regions: Regions
  /** Regions whose replies name no key material: custom key stores, emulators. */
  readonly #silent = new Set<string>()
  /** Key ARN → the version that DescribeKey last told, in silent regions. */
  readonly #described = new Map<string, string>()

  constructor(settings: AwsKmsSettings, regions: Regions) {
    this.#settings = settings
    this.#regions = regions
  }

  async wrap(key: Uint8Array, context: WrapContext, options: CallOptions = {}): Promise<WrappedKey> {
    const plaintext = copyPayload(key, MAX_PLAINTEXT_BYTES)
    const entries = { ...context.entries }
    const call = { operation: 'wrap', key: this.#settings.key, signal: options.signal } as const
    try {
      return await this.#regions.call(call, (place) =>
        this.#labelled(place, () => this.#seal(place, plaintext, entries)),
      )
    } finally {
      plaintext.fill(0)
    }
  }

  async unwrap(wrapped: WrappedKey, context: WrapContext, options: CallOptions = {}): Promise<Uint8Array> {
    const known = this.#known(wrapped)
    const entries = { ...context.entries }
    const call = { operation: 'unwrap', key: known.key, signal: options.signal } as const
    return this.#regions.call(call, async (place) => {
      const reply = await decrypt(place, known.ciphertext, entries)
      try {
        assertMade(known, place, ownArn(place, reply.KeyId), reply.KeyMaterialId)
      } catch (error) {
        reply.Plaintext.fill(0)
        throw error
      }
      return reply.Plaintext
    })
  }

  async rewrap(wrapped: WrappedKey, context: WrapContext, options: CallOptions = {}): Promise<WrappedKey> {
    const known = this.#known(wrapped)
    const entries = { ...context.entries }
    const call = { operation: 'rewrap', key: this.#settings.key, signal: options.signal } as const
    return this.#regions.call(call, (place) =>
      this.#labelled(place, () => this.#reseal(place, known, entries)),
    )
  }

  /** One Encrypt, and a Decrypt where its reply will name the key material. */
  async #seal(place: Place, plaintext: Uint8Array, entries: Record<string, string>): Promise<Sealed> {
    const { client, grants, keyId, options, region } = place
    const reply = await client.encrypt(
      {
        KeyId: keyId,
        Plaintext: plaintext,
        EncryptionContext: entries,
        EncryptionAlgorithm: ALGORITHM,
        ...grants,
      },
      options,
    )
    const { text: arn } = ownArn(place, reply.KeyId)
    const ciphertext = ciphertextOf(reply.CiphertextBlob, region)
    if (this.#silent.has(region)) return { arn, ciphertext, material: undefined }
    const opened = await decrypt({ ...place, keyId: arn }, ciphertext, entries).catch((error: unknown) => {
      if (errorCode(error) === 'ERR_UNWRAP_FAILED') throw corrupted('has a wrap that does not open', region)
      throw error
    })
    try {
      if (ownArn(place, opened.KeyId).text !== arn) throw corrupted('is about another key', region)
      const same =
        opened.Plaintext.length === plaintext.length && timingSafeEqual(opened.Plaintext, plaintext)
      if (!same) throw corrupted('opens a wrap to another key than was wrapped', region)
    } finally {
      opened.Plaintext.fill(0)
    }
    const material = materialId(opened.KeyMaterialId, region)
    if (material === undefined) this.#silent.add(region)
    return { arn, ciphertext, material }
  }

  async #reseal(place: Place, known: Known, entries: Record<string, string>): Promise<Sealed> {
    const { client, grants, keyId, options, region } = place
    const source = { ...place, key: known.key, keyId: keyIdFor(known.key, region) }
    const reply = await client.reEncrypt(
      {
        CiphertextBlob: known.ciphertext,
        SourceKeyId: source.keyId,
        SourceEncryptionContext: entries,
        SourceEncryptionAlgorithm: ALGORITHM,
        DestinationKeyId: keyId,
        DestinationEncryptionContext: entries,
        DestinationEncryptionAlgorithm: ALGORITHM,
        ...grants,
      },
      options,
    )
    assertMade(known, place, ownArn(source, reply.SourceKeyId), reply.SourceKeyMaterialId)
    const { text: arn } = ownArn(place, reply.KeyId)
    const material = materialId(reply.DestinationKeyMaterialId, region)
    return { arn, ciphertext: ciphertextOf(reply.CiphertextBlob, region), material }
  }

  /**
   * Gives a new wrap its label. Where no reply names the key material, the version is what DescribeKey told before and
   * tells after: material never comes back once another took its place, so it was the same in between.
   */
  async #labelled(place: Place, make: () => Promise<Sealed>): Promise<WrappedKey> {
    for (;;) {
      const { arn, ciphertext, material } = await make()
      const label = { provider: this.#settings.name, masterKeyId: arn, algorithm: ALGORITHM, ciphertext }
      if (material !== undefined) return { ...label, masterKeyVersion: material }
      const before = this.#described.get(arn)
      const { version } = await describeKey({ ...place, keyId: arn })
      if (version === before) return { ...label, masterKeyVersion: version }
      this.#described.set(arn, version)
    }
  }

  /** Nothing of a stored wrap is sent on but its ciphertext; its label has to fit the configuration. */
  #known({ algorithm, ciphertext, masterKeyId, masterKeyVersion: version }: WrappedKey): Known {
    const { former, key, regions } = this.#settings
    const arn = parseKeyArn(masterKeyId)
    const region = regions[0]?.name ?? ''
    const owner = [...former, key].find((name) => arn !== undefined && isArnOf(name, arn, region))
    if (arn === undefined || owner === undefined) throw foreign(arn === undefined ? undefined : masterKeyId)
    const fits = ciphertext.length >= 1 && ciphertext.length <= MAX_CIPHERTEXT_BYTES
    if (algorithm !== ALGORITHM || !isVersion(version) || !fits) throw unwrapFailed(owner)
    return { key: owner, arn, version, ciphertext: Uint8Array.from(ciphertext) }
  }
}

async function decrypt(
  { client, grants, keyId, options, region }: Place,
  ciphertext: Uint8Array,
  entries: Record<string, string>,
): Promise<AwsDecryptReply & { readonly Plaintext: Uint8Array }> {
  const reply = await client.decrypt(
    {
      KeyId: keyId,
      CiphertextBlob: ciphertext,
      EncryptionContext: entries,
      EncryptionAlgorithm: ALGORITHM,
      ...grants,
    },
    options,
  )
  const { Plaintext } = reply
  if (Plaintext === undefined || Plaintext.length === 0) throw corrupted('has no plaintext', region)
  return { ...reply, Plaintext }
}

function ciphertextOf(bytes: Uint8Array | undefined, region: string): Uint8Array {
  if (bytes === undefined || bytes.length === 0) throw corrupted('has no ciphertext', region)
  return bytes
}

/** Fails when the label of a wrap says otherwise than the service does of its ciphertext. */
function assertMade(
  { arn, key, version }: Known,
  place: Place,
  made: KeyArn,
  material: string | undefined,
): void {
  const id = materialId(material, place.region)
  // Nothing says that copies of a key in two regions have one name for their common material.
  const comparable = id !== undefined && version !== UNVERSIONED && made.region === arn.region
  if (!isSameKey(arn, made) || (comparable && id !== version)) throw unwrapFailed(key)
}

/** `masterKeyId` is stored data: it is shown only when it looks like a key's ARN. */
function foreign(masterKeyId: string | undefined): KeywrightError {
  const shown = masterKeyId ?? 'something that is no key of KMS'
  return new KeywrightError(
    'ERR_MASTER_KEY_NOT_FOUND',
    `the key was wrapped by ${shown}, which is not the configured master key`,
    {
      hint: 'correct ENCRYPTION_KEY_ID and ENCRYPTION_AWS_REGION, or name that key in ENCRYPTION_AWS_FORMER_KEY_IDS so that it still unwraps',
    },
  )
}
