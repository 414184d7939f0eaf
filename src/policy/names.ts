/** Names of key types and providers: they reach tables, paths and URLs, so they are an allowlist. */

/** The regular expression (source) of key type names. */
export const KEY_TYPE_PATTERN = '^[a-z][a-z0-9_]{0,62}$'
export const KEY_TYPE_HINT =
  'a key type name is a-z, 0-9 and "_", starts with a letter and has at most 63 characters'

/** The regular expression (source) of provider names. */
export const PROVIDER_PATTERN = '^[a-z][a-z0-9-]{0,62}$'
export const PROVIDER_NAME_HINT =
  'a provider name is a-z, 0-9 and "-", starts with a letter and has at most 63 characters'

/** The regular expression (source) of the names of sources. */
export const SOURCE_PATTERN = '^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$'
export const SOURCE_NAME_HINT =
  'the name of a source is letters, digits, "_", "." and "-", starts with a letter or digit and has at most 100'

const keyType = new RegExp(KEY_TYPE_PATTERN)
const provider = new RegExp(PROVIDER_PATTERN)

export const isKeyTypeName = (name: string): boolean => keyType.test(name)
export const isProviderName = (name: string): boolean => provider.test(name)
