/** Which root secret is to seal the key file: given by environment or option, or asked for. */
import { randomBytes } from 'node:crypto'
import type { OpenOptions } from '../../compose.ts'
import { rootSecretVariables, variable } from '../../config/environment.ts'
import { KeywrightError } from '../../errors.ts'
import { type Call, wrongUse } from '../call.ts'
import { askSecret, askText, choose } from '../prompts.ts'

export type RootChoice =
  /** A new random key, to be written to `path`. */
  | { readonly kind: 'file'; readonly path: string; readonly key: string }
  | { readonly kind: 'password'; readonly password: string; readonly asked: boolean }
  /** From the environment, which `open` reads itself. */
  | { readonly kind: 'environment' }
  | { readonly kind: 'unsealed' }
  /** No master key is made. */
  | { readonly kind: 'unchanged' }

/** What options and environment say. Throws ERR_ARGUMENT_INVALID when they contradict each other. */
export function givenSecret({ io, options }: Call): RootChoice | undefined {
  const path = options.text('rootKeyFile')
  const unsealed = options.flag('unsealed')
  const set = rootSecretVariables(io.env)
  if (unsealed && (path !== undefined || set.length > 0)) {
    throw wrongUse(
      `--unsealed contradicts ${path === undefined ? set.join(' and ') : '--root-key-file'}`,
      'leave one of them out: a key file is sealed or it is not',
    )
  }
  if (unsealed && io.env['NODE_ENV'] === 'production') {
    throw new KeywrightError('ERR_KEY_FILE_UNSEALED', 'an unsealed key file is not for production', {
      hint: 'make a sealed one: keywright init --root-key-file <path>',
    })
  }
  if (unsealed) return { kind: 'unsealed' }
  if (path === undefined) return set.length > 0 ? { kind: 'environment' } : undefined
  const other = set.filter((name) => name !== 'ENCRYPTION_MASTER_KEY_FILE' || variable(io.env, name) !== path)
  if (other.length > 0) {
    throw wrongUse(
      `--root-key-file contradicts ${other.join(' and ')}`,
      'there is one root secret: leave one of them out',
    )
  }
  return newRootKey(path)
}

const newRootKey = (path: string): RootChoice => ({
  kind: 'file',
  path,
  key: randomBytes(32).toString('base64'),
})

/** Asks at a terminal. Throws ERR_ROOT_SECRET_MISSING where nobody can be asked. */
export async function askedSecret({ io, output }: Call): Promise<RootChoice> {
  if (!output.asks) {
    throw new KeywrightError('ERR_ROOT_SECRET_MISSING', 'nothing says what seals the new key file', {
      hint: 'add --root-key-file <path>, or set ENCRYPTION_MASTER_KEY (openssl rand -base64 32); --unsealed for development',
    })
  }
  const production = io.env['NODE_ENV'] === 'production'
  const kind = await choose(io, 'What seals the key file?', [
    { value: 'file', label: 'A random root key in a file', hint: 'recommended; mode 0600' },
    { value: 'password', label: 'A password', hint: 'derived by Argon2id or scrypt' },
    ...(production
      ? []
      : [
          {
            value: 'unsealed' as const,
            label: 'Nothing',
            hint: 'development only: the master key lies in clear',
          },
        ]),
  ])
  if (kind === 'unsealed') return { kind }
  if (kind === 'file')
    return newRootKey(
      await askText(io, 'Where is the root key to be kept?', { initial: 'root.key', check: notEmpty }),
    )
  const check = (text: string) =>
    [...text].length < 8 ? 'At least 8 characters, better a passphrase' : undefined
  const password = await askSecret(io, 'Password', check)
  await askSecret(io, 'Once more', (text) => (text === password ? undefined : 'That is another one'))
  return { kind: 'password', password, asked: true }
}

const notEmpty = (text: string): string | undefined => (text.trim() === '' ? 'Name a file' : undefined)

/** As `open` takes it. */
export function rootOptions(root: RootChoice | undefined): Pick<OpenOptions, 'masterKey' | 'masterPassword'> {
  if (root?.kind === 'file') return { masterKey: root.key }
  return root?.kind === 'password' ? { masterPassword: root.password } : {}
}
