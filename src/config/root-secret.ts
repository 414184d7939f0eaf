/** Where the root secret comes from: an option, a variable, or a file that a variable names. */
import { readFile } from 'node:fs/promises'
import { KeywrightError } from '../errors.ts'
import type { RootSecretText } from '../provider.ts'
import { type Environment, variable } from './environment.ts'

/** What the caller may give himself. */
export interface RootSecretOptions {
  readonly masterKey?: string
  readonly masterPassword?: string
}

/** The root secret as text; undefined when there is none. Throws ERR_ROOT_SECRET_MISSING for a file that is unreadable. */
export async function readRootSecret(
  options: RootSecretOptions,
  environment: Environment,
): Promise<RootSecretText | undefined> {
  const { masterKey, masterPassword } = options
  if (masterKey !== undefined) return { kind: 'key', text: masterKey }
  if (masterPassword !== undefined) return { kind: 'password', text: masterPassword }
  const key = variable(environment, 'ENCRYPTION_MASTER_KEY')
  if (key !== undefined) return { kind: 'key', text: key }
  const password = environment['ENCRYPTION_MASTER_PASSWORD'] // as it is: spaces may belong to it
  if (password !== undefined && password !== '') return { kind: 'password', text: password }
  const path = variable(environment, 'ENCRYPTION_MASTER_KEY_FILE')
  return path === undefined ? undefined : { kind: 'key', text: await readSecretFile(path) }
}

async function readSecretFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    // Not the path: somebody may have put the key itself into the variable.
    const what = `the file that ENCRYPTION_MASTER_KEY_FILE names cannot be read (${code})`
    throw new KeywrightError('ERR_ROOT_SECRET_MISSING', what, {
      hint: 'it is the path of a file; a key itself belongs into ENCRYPTION_MASTER_KEY',
    })
  }
}
