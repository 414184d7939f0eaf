/** `inspect`: what a value says without any key. */
import { isUtf8 } from 'node:buffer'
import { type Inspection, inspect } from '../../data/inspect.ts'
import { KeywrightError } from '../../errors.ts'
import type { KeyInfo } from '../../keys/views.ts'
import type { Call } from '../call.ts'
import { STATE_STYLES } from '../key-view.ts'
import { openOptions } from '../opened.ts'
import { readValue } from '../values.ts'

const SALT_BYTES = 12

export async function inspectValue(call: Call): Promise<undefined> {
  const input = await readValue(call, { argument: call.args[0], what: 'ciphertext', secret: false })
  const inspection = inspect(isUtf8(input) && (input[0] ?? 0) > 1 ? input.toString('utf8').trim() : input)
  const key = inspection.kind === 'envelope' ? undefined : await findKey(call, inspection.keyId)
  const { output } = call
  await output.result(
    key === undefined
      ? inspection
      : { ...inspection, key: { keyring: key.keyring, version: key.version, state: key.state } },
    output.facts([
      ...factsOf(inspection, key),
      ['keyring', key?.keyring],
      ['key version', key === undefined ? undefined : String(key.version)],
      ['key state', key === undefined ? undefined : { text: key.state, style: STATE_STYLES[key.state] }],
    ]),
  )
}

function factsOf(inspection: Inspection, key: KeyInfo | undefined): [string, string | undefined][] {
  if (inspection.kind === 'token')
    return [
      ['kind', 'search token'],
      ['key id', String(inspection.keyId)],
    ]
  if (inspection.kind === 'envelope') {
    const { provider, masterKeyId, masterKeyVersion, algorithm, bytes } = inspection
    return [
      ['kind', 'envelope'],
      ['provider', provider],
      ['master key', `${masterKeyId} version ${masterKeyVersion}`],
      ['wrapped with', algorithm],
      ['bytes', String(bytes)],
    ]
  }
  const { form, keyId, bytes, plaintextBytes } = inspection
  return [
    ['kind', `encrypted value (${form})`],
    ['key id', String(keyId)],
    ['bytes', String(bytes)],
    ['plaintext bytes', plaintextSize(plaintextBytes, key)],
  ]
}

/** An X-AES-256-GCM ciphertext begins with a salt, which only its key's record tells. */
function plaintextSize(bytes: number, key: KeyInfo | undefined): string {
  if (key === undefined) return `${bytes} (${SALT_BYTES} less with X-AES-256-GCM)`
  return String(key.algorithm === 'X-AES-256-GCM' ? bytes - SALT_BYTES : bytes)
}

/** The key in the store, where there is one that can be read; this command does without. */
async function findKey(call: Call, keyId: number): Promise<KeyInfo | undefined> {
  try {
    const { open } = await import('../../compose.ts')
    const keywright = await open(openOptions(call))
    return await keywright.keys.describe(keyId).finally(() => keywright.close())
  } catch (error) {
    if (!(error instanceof KeywrightError)) throw error
    await call.output.note(
      error.code === 'ERR_KEY_UNKNOWN'
        ? 'this key store has no such key: the value comes from another installation'
        : `the key store was not asked: ${error.message.split('\n')[0]}`,
    )
    return undefined
  }
}
