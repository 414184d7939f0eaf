/** `inspect-file`: what the header of an encrypted file says. */
import { type FileRecovery, inspectFile } from '../../data/files/list-files.ts'
import { KeywrightError } from '../../errors.ts'
import { formatSize } from '../../policy/size.ts'
import type { Call } from '../call.ts'
import { openOptions } from '../opened.ts'

export async function inspectFileCommand(call: Call): Promise<undefined> {
  const { args, output } = call
  const { recovery, ...info } = await inspectFile(args[0] ?? '')
  const keyring = recovery?.keyring ?? (await keyringOf(call, info.keyId))
  await output.result(
    { ...info, keyring, recovery },
    output.facts([
      ['kind', 'encrypted file'],
      ['key id', String(info.keyId)],
      ['keyring', keyring],
      ['bytes', `${info.bytes} (${formatSize(info.bytes)})`],
      ['plaintext bytes', info.plaintextBytes === undefined ? undefined : String(info.plaintextBytes)],
      ['compression', info.compression],
      ['name', info.hasName ? 'encrypted, in the header' : undefined],
      ['opens without the key store', recovery === undefined ? 'no' : providersOf(recovery)],
    ]),
  )
}

function providersOf({ wraps }: FileRecovery): string {
  const known = wraps.map(
    ({ provider, masterKeyId, masterKeyVersion }) =>
      `${provider} (${masterKeyId} version ${masterKeyVersion})`,
  )
  return `yes, through ${known.join(' or ')}`
}

/** As the key store tells, where there is one that can be read; this command does without. */
async function keyringOf(call: Call, keyId: number): Promise<string | undefined> {
  try {
    const { open } = await import('../../compose.ts')
    const keywright = await open(openOptions(call))
    return (await keywright.keys.describe(keyId).finally(() => keywright.close())).keyring
  } catch (error) {
    if (!(error instanceof KeywrightError)) throw error
    await call.output.note(
      error.code === 'ERR_KEY_UNKNOWN'
        ? 'this key store has no such key: the file comes from another installation'
        : `the key store was not asked: ${error.message.split('\n')[0]}`,
    )
    return undefined
  }
}
