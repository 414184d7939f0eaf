/**
 * Names of KMS keys: id, ARN, alias, alias ARN. What is sent to the service is made from the configured name alone;
 * an ARN out of a stored wrap is only compared with it.
 *
 * https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id
 */

/** A key as it is configured. */
export interface KeyName {
  readonly kind: 'key' | 'alias'
  /** The id, or 'alias/…'. */
  readonly resource: string
  /** What an ARN adds. */
  readonly partition?: string
  readonly region?: string
  readonly account?: string
}

/** A key as a reply or a stored wrap names it. */
export interface KeyArn {
  readonly partition: string
  readonly region: string
  readonly account: string
  readonly keyId: string
}

/** A UUID, or `mrk-` and 32 hex digits for a multi-Region key; emulators put hyphens into the latter too. */
const KEY_ID = /^(?:mrk-[0-9a-f]{32}|(?:mrk-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/
/** https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html; those of AWS begin with `alias/aws/`. */
const ALIAS = /^alias\/(?!aws\/)[a-zA-Z0-9/_-]{1,250}$/
const ARN = /^arn:(aws[a-z-]{0,20}):kms:([a-z0-9-]{4,32}):(\d{12}):(?:key\/([^/]+)|(alias\/.+))$/
const REGION = /^[a-z]{2,8}(?:-[a-z]+){1,3}-\d{1,2}$/
const MULTI_REGION = 'mrk-'

/** Whether it may be a part of a host name as a region is. */
export const isRegion = (text: string): boolean => REGION.test(text)

/** Undefined for what is no name of a key. */
export function parseKeyName(text: string): KeyName | undefined {
  const [, partition, region, account, id, alias] = ARN.exec(text) ?? []
  const resource = id ?? alias ?? text
  const kind = KEY_ID.test(resource) ? 'key' : 'alias'
  if (kind === 'alias' && !ALIAS.test(resource)) return undefined
  if (partition === undefined || region === undefined || account === undefined) return { kind, resource }
  return isRegion(region) ? { kind, resource, partition, region, account } : undefined
}

/** Undefined for what is no ARN of a key: an alias is none. */
export function parseKeyArn(text: string | undefined): KeyArn | undefined {
  const name = text === undefined ? undefined : parseKeyName(text)
  if (name?.kind !== 'key' || name.partition === undefined) return undefined
  const { account = '', partition, region = '', resource } = name
  return { partition, region, account, keyId: resource }
}

/** Whether copies of the key exist in several regions, or may. */
export const isMultiRegion = ({ kind, resource }: KeyName): boolean =>
  kind === 'key' && resource.startsWith(MULTI_REGION)

/** What is sent as KeyId to a region. The ARN of a multi-Region key becomes that of its copy there. */
export function keyIdFor(name: KeyName, region: string): string {
  const { account, partition, resource } = name
  if (partition === undefined || account === undefined) return resource
  const path = name.kind === 'key' ? `key/${resource}` : resource
  return `arn:${partition}:kms:${isMultiRegion(name) ? region : name.region}:${account}:${path}`
}

/**
 * Whether the ARN is one of the named key. An alias says only where its key is; which one, the service knows. All
 * copies of a multi-Region key are that key: each opens what any of them has wrapped.
 */
export function isArnOf(name: KeyName, arn: KeyArn, region: string): boolean {
  if (name.partition !== undefined && (name.partition !== arn.partition || name.account !== arn.account)) {
    return false
  }
  if (name.kind === 'key' && name.resource !== arn.keyId) return false
  return isMultiRegion(name) || arn.region === (name.region ?? region)
}

/** Whether two ARNs are of one key, or of copies of one key. */
export function isSameKey(one: KeyArn, other: KeyArn): boolean {
  const same = one.keyId === other.keyId && one.account === other.account && one.partition === other.partition
  return same && (one.region === other.region || one.keyId.startsWith(MULTI_REGION))
}
