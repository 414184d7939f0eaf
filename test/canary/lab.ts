/** What the paths that fail work with: an installation that holds secrets, and the secrets as canaries. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deriveSealingKey } from '../../providers/local/kdf.ts'
import { openSealedKeyset, parseKeyFile } from '../../providers/local/master-keyset.ts'
import { holdRootSecret } from '../../providers/local/root-secret.ts'
import { decodeKeysetJson } from '../../src/crypto/tink-keyset-json.ts'
import { type Keywright, type OpenOptions, open } from '../../src/index.ts'
import { bytesCanary, type Canary, textCanary } from './canaries.ts'

export const SECRETS = {
  rootKey: bytesCanary('root key'),
  otherRootKey: bytesCanary('another root key'),
  password: textCanary('password'),
  shortPassword: { name: 'short password', value: `ü${randomBytes(3).toString('hex')}` },
  text: textCanary('plaintext'),
  bytes: bytesCanary('plaintext bytes', 48),
  number: { name: 'plaintext number', value: '9182736450918273' },
  context: textCanary('context value'),
  setting: textCanary('value in the wrong place of a document'),
  variable: textCanary('value of a variable'),
  login: { name: 'credential in a URL', value: `${randomBytes(12).toString('hex')}-pass` },
  importedKey: bytesCanary('key in a keyset'),
  fileKey: bytesCanary('key in an unsealed key file'),
  foreign: textCanary('what a client or a sink threw'),
} as const

export const ENVIRONMENT = {
  ENCRYPTION_KEY_STORAGE_BACKEND: 'file',
  ENCRYPTION_MASTER_KEY: SECRETS.rootKey.value.toString('base64'),
} as const

/** The policy document of the lab. */
export const POLICY = {
  keyTypes: { pii: { tenants: 'optional' }, tokens: { algorithm: 'X-AES-256-GCM' } },
  provider: 'file',
}

export interface Lab {
  readonly keywright: Keywright
  readonly folder: string
  /** A ciphertext of the plaintext canary under pii. */
  readonly ciphertext: string
  /** A new folder. */
  newFolder(): string
  /** A new file with this content. */
  newFile(content: string | Uint8Array): string
  /** Opens an installation of its own, uses everything of it and closes it. Rejects where that fails. */
  useNew(options: OpenOptions): Promise<void>
  close(): Promise<void>
}

/** Opens, encrypts, changes keys and closes: whatever is wrong with the options shows somewhere. */
async function use(options: OpenOptions): Promise<void> {
  await using keywright = await open(options)
  await keywright.encrypt('pii', SECRETS.text.value)
  await keywright.keys.rotate('pii', { force: true })
  await keywright.keys.rotateMaster('file')
}

export async function openLab(): Promise<Lab> {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-canary-'))
  let made = 0
  const newFolder = (): string => {
    const path = join(folder, `place-${++made}`)
    mkdirSync(path)
    return path
  }
  const main = newFolder()
  const keywright = await open({
    path: join(main, 'master.keys'),
    environment: ENVIRONMENT,
    config: POLICY,
    create: true,
  })
  const ciphertext = await keywright.encrypt('pii', SECRETS.text.value)
  await keywright.encrypt('pii', SECRETS.bytes.value)
  await keywright.encrypt('tokens', { deep: [{ number: Number(SECRETS.number.value) }] })
  await keywright.hash('users.email', SECRETS.text.value)
  return {
    keywright,
    folder: main,
    ciphertext,
    newFolder,
    newFile(content) {
      const path = join(newFolder(), 'file')
      writeFileSync(path, content, { mode: 0o600 })
      return path
    },
    useNew: (options) =>
      use({ path: join(newFolder(), 'master.keys'), environment: ENVIRONMENT, create: true, ...options }),
    async close() {
      await keywright.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The keys that this installation uses, unwrapped: nobody else may ever see them. */
export async function unwrappedKeys({ keywright, folder }: Lab): Promise<Canary[]> {
  const canaries: Canary[] = []
  for (const keyring of await keywright.keys.keyrings()) {
    const keyset = decodeKeysetJson(String(await keywright.exportKeyset(keyring, { clear: true })))
    for (const { id, key } of keyset.keys) canaries.push({ name: `data key ${id} (${keyring})`, value: key })
  }
  const document = parseKeyFile(readFileSync(join(folder, 'master.keys'), 'latin1'), 'master.keys')
  if (document.kdf === undefined) throw new Error('the key file is not sealed')
  const root = holdRootSecret({ kind: 'key', bytes: SECRETS.rootKey.value })
  const sealing = await deriveSealingKey(root, document.kdf)
  canaries.push({ name: 'sealing key', value: sealing.export() })
  for (const { version, key } of openSealedKeyset(document, sealing)?.versions ?? []) {
    canaries.push({ name: `master key version ${version}`, value: key.export() })
  }
  return canaries
}

/** Every file of the installation: key file, store with its log, audit log. */
export function filesOf({ folder }: Lab): { name: string; bytes: Buffer }[] {
  return readdirSync(folder).map((name) => ({ name, bytes: readFileSync(join(folder, name)) }))
}
