/**
 * AWS KMS: data keys wrapped by a symmetric KMS key, bound to their context by its EncryptionContext.
 *
 * https://docs.aws.amazon.com/kms/latest/APIReference/
 */
import { type CallOptions, type KeyProvider, KeywrightError, type ProviderSettings } from '../src/provider.ts'
import { errorCode } from './aws-kms/errors.ts'
import { createMasterKey, describeMasterKey, rotateMasterKey } from './aws-kms/master-key.ts'
import { type AwsKmsOptions, type AwsKmsSettings, checkOptions } from './aws-kms/options.ts'
import { readOptions } from './aws-kms/read-options.ts'
import { Regions } from './aws-kms/regions.ts'
import { MAX_PLAINTEXT_BYTES, Wraps } from './aws-kms/wraps.ts'
import { assertNotAborted } from './local/call.ts'

export { permissions } from './aws-kms/errors.ts'
export { leastPrivilege } from './aws-kms/least-privilege.ts'
export type { AwsKmsOptions } from './aws-kms/options.ts'
export type { AwsCredentialProvider, AwsCredentials, AwsKmsLib } from './aws-kms/sdk.ts'

/** How long making a master key may take: no caller's deadline is there yet. */
const CREATE_MS = 20_000

/**
 * The AWS KMS provider. The client is loaded by the first call, and nothing is contacted before it. Calls throw
 * KeywrightError: ERR_ARGUMENT_INVALID, ERR_CLOSED, ERR_DEPENDENCY_MISSING, ERR_CONFIG_INVALID for an http address out
 * of AWS's shared configuration, and the codes of `errorCode`.
 *
 * @throws KeywrightError ERR_CONFIG_INVALID at once.
 */
export default function awsKms(options: AwsKmsOptions): KeyProvider {
  const settings = checkOptions(options)
  return provider(settings, new Regions(settings))
}
export { awsKms }

function provider(settings: AwsKmsSettings, regions: Regions): KeyProvider {
  const { name } = settings
  const wraps = new Wraps(settings, regions)
  let closed = false
  const begin = (options: CallOptions | undefined): void => {
    if (closed) throw new KeywrightError('ERR_CLOSED', `the provider "${name}" is closed`)
    assertNotAborted(options?.signal)
  }
  return {
    name,
    capabilities: {
      bindsContext: true,
      maxPlaintextBytes: MAX_PLAINTEXT_BYTES,
      rewraps: true,
      rotatesMasterKey: true,
      versionsMasterKey: true,
    },
    async wrapKey(key, context, options) {
      begin(options)
      return wraps.wrap(key, context, options)
    },
    async unwrapKey(wrapped, context, options) {
      begin(options)
      return wraps.unwrap(wrapped, context, options)
    },
    async rewrapKey(wrapped, context, options) {
      begin(options)
      return wraps.rewrap(wrapped, context, options)
    },
    async describeMasterKey(options) {
      begin(options)
      return describeMasterKey(settings, regions, options)
    },
    async rotateMasterKey(options) {
      begin(options)
      return rotateMasterKey(settings, regions, options)
    },
    errorCode,
    async close() {
      closed = true
      await regions.close()
    },
  }
}

/**
 * The provider by configuration: options from the policy document and the environment. With `create`, an alias that
 * does not exist is made, with a key. Throws ERR_CONFIG_INVALID, and for making a key what KMS says.
 */
export async function configure(settings: ProviderSettings): Promise<KeyProvider> {
  const checked = checkOptions(readOptions(settings))
  const regions = new Regions(checked)
  if (settings.create) {
    await createMasterKey(checked, regions, AbortSignal.timeout(CREATE_MS)).catch(async (error: unknown) => {
      await regions.close()
      throw error
    })
  }
  return provider(checked, regions)
}
