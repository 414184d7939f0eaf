/** Options that several commands take. */
import type { OptionSpec } from '../call.ts'

export const TENANT: OptionSpec = { flags: '--tenant <name>', description: 'the tenant within the key type' }
export const KEY_TYPE: OptionSpec = {
  flags: '--key-type <name>',
  description: 'the key type, as pii or financial_data',
}
export const YES: OptionSpec = { flags: '--yes', description: 'do not ask' }
export const CONTEXT: OptionSpec = {
  flags: '--context <name=value>',
  description: 'what the ciphertext is bound to; may be given several times',
  repeat: true,
}
export const NO_ARGV_WARNING: OptionSpec = {
  flags: '--no-argv-warning',
  description: 'do not warn of a value on the command line',
}
export const RAW: OptionSpec = {
  flags: '--raw',
  description: 'take and write values as they are: no line feed is cut off or added',
}
export const VALUE_FILE: OptionSpec = {
  flags: '--value-file <path>',
  description: 'read the value from a file',
}
export const VALUE_ENV: OptionSpec = {
  flags: '--value-env <name>',
  description: 'take the value from an environment variable',
}
