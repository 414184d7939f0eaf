/** The smallest IAM policy for a configuration. */
import type { PrivilegePolicy, ProviderSettings } from '../../src/provider.ts'
import { isMultiRegion, type KeyName } from './key-name.ts'
import { checkOptions } from './options.ts'
import { readOptions } from './read-options.ts'

const ACCOUNT = '<account id>'

/**
 * The policy for the role of the application. An alias stands for the key that it names: IAM knows keys by their
 * aliases through a condition. Throws ERR_CONFIG_INVALID.
 *
 * https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
 */
export function leastPrivilege(settings: ProviderSettings): PrivilegePolicy {
  const { former, key, regions } = checkOptions(readOptions(settings))
  const names = regions.map(({ name }) => name)
  const on = (one: KeyName): object => resourceOf(one, names)
  const statements = [
    {
      Sid: 'WrapAndUnwrapDataKeys',
      Effect: 'Allow',
      Action: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncryptFrom', 'kms:ReEncryptTo', 'kms:DescribeKey'],
      ...on(key),
    },
    {
      Sid: 'SeeRotation',
      Effect: 'Allow',
      Action: ['kms:GetKeyRotationStatus', 'kms:ListKeyRotations'],
      ...on(key),
    },
    ...former.map((one, index) => ({
      Sid: `UnwrapUnderFormerKey${index + 1}`,
      Effect: 'Allow',
      Action: ['kms:Decrypt', 'kms:ReEncryptFrom', 'kms:DescribeKey'],
      ...on(one),
    })),
    { Sid: 'RotateOnRequest', Effect: 'Allow', Action: ['kms:RotateKeyOnDemand'], ...on(key) },
  ]
  return {
    title:
      'IAM policy for the role of the application; SeeRotation is for status, RotateOnRequest for those who rotate by hand',
    format: 'json',
    text: JSON.stringify({ Version: '2012-10-17', Statement: statements }, undefined, 2),
  }
}

function resourceOf(key: KeyName, regions: readonly string[]): object {
  const { account = ACCOUNT, kind, partition = partitionOf(regions[0] ?? ''), resource } = key
  const path = kind === 'key' ? `key/${resource}` : 'key/*'
  const places = isMultiRegion(key) || key.region === undefined ? regions : [key.region]
  const arns = places.map((region) => `arn:${partition}:kms:${region}:${account}:${path}`)
  return {
    Resource: arns.length === 1 ? arns[0] : arns,
    ...(kind === 'key'
      ? {}
      : { Condition: { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': resource } } }),
  }
}

/** https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html */
function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn'
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'
}
