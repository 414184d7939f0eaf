/** Options as they arrive from the environment (text) and the policy document (JSON): both spellings are read. */
import { KeywrightError, type ProviderSettings } from '../../src/provider.ts'
import { type AwsKmsOption, type AwsKmsOptions, invalid, VARIABLES } from './options.ts'

type Read = (option: AwsKmsOption, value: unknown) => unknown

const text: Read = (option, value) => {
  if (typeof value === 'string' && value.trim() !== '') return value.trim()
  throw invalid(option, 'expects a text')
}

/** A list, or text with commas or spaces between its members. */
const list: Read = (option, value) => {
  const members = typeof value === 'string' ? value.split(/[\s,]+/).filter((member) => member !== '') : value
  if (Array.isArray(members) && members.length > 0 && members.every((one) => typeof one === 'string')) {
    return members
  }
  throw invalid(option, 'expects a list of texts')
}

const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false }

const flag: Read = (option, value) => {
  const read = BOOLEANS[String(value).trim().toLowerCase()]
  if (read === undefined) throw invalid(option, 'expects true or false')
  return read
}

const count: Read = (option, value) => {
  if ((typeof value === 'number' || typeof value === 'string') && /^\d{1,10}$/.test(String(value).trim())) {
    return Number(value)
  }
  throw invalid(option, 'expects a whole number')
}

/** A URL; or one for each region, as an object or as `region=URL,region=URL`. */
const endpoint: Read = (option, value) => {
  if (typeof value === 'string' && !/^[\w-]+=/.test(value.trim())) return text(option, value)
  const pairs =
    typeof value === 'string'
      ? (list(option, value) as string[]).map((pair) => pair.split(/=(.*)/s, 2))
      : Object.entries(Object(value))
  const isWhole = pairs.length > 0 && pairs.every(([, url]) => typeof url === 'string' && url !== '')
  if (!isWhole || Array.isArray(value)) {
    throw invalid(option, 'expects a URL, or region=URL for each region')
  }
  return Object.fromEntries(pairs)
}

const refusedVersion: Read = (option) => {
  throw invalid(
    option,
    'is set, and KMS wraps under the current key material alone',
    'unset ENCRYPTION_KEY_VERSION; wraps under older key material open in any case',
  )
}

const READERS: Readonly<Partial<Record<AwsKmsOption, Read>>> = {
  allowInsecure: flag,
  endpoint,
  formerKeyIds: list,
  grantTokens: list,
  keyVersion: refusedVersion,
  regionTimeoutMs: count,
  regions: list,
}

/** The options of the factory. Throws ERR_CONFIG_INVALID. */
export function readOptions({ name, options }: ProviderSettings): AwsKmsOptions {
  const known = Object.keys(VARIABLES).filter((option) => option !== 'keyVersion')
  const entries = Object.entries(options).filter(([, value]) => value !== undefined && value !== null)
  if (entries.some(([option]) => !Object.hasOwn(VARIABLES, option))) {
    const problem = `the AWS KMS provider "${name}" has an option that does not exist`
    throw new KeywrightError('ERR_CONFIG_INVALID', problem, { hint: `its options are ${known.join(', ')}` })
  }
  const read = Object.fromEntries(
    entries.map(([option, value]) => {
      const named = option as AwsKmsOption
      return [option, (READERS[named] ?? text)(named, value)]
    }),
  )
  return { keyId: '', ...read, name }
}
