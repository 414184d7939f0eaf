/** One installation with keys that everybody can make anew: each is the SHA-256 of a text. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import fileProvider, { createKeyFile } from '../../providers/file.ts'
import { encodeKeyset, type TinkAlgorithm } from '../../src/crypto/tink-keyset.ts'
import type { Policy } from '../../src/index.ts'
import { Keywright } from '../../src/keywright.ts'
import { defaultPolicy } from '../../src/policy/resolve.ts'
import type { KeyProvider } from '../../src/provider.ts'
import openSqliteStore from '../../stores/sqlite.ts'

export const START = Date.UTC(2026, 0, 2, 3, 4, 5, 678)

/** A key of the examples: SHA-256 of `keywright example: <name>`. */
export function exampleKey(name: string): Buffer {
  return createHash('sha256').update(`keywright example: ${name}`).digest()
}

export interface ExampleKey {
  readonly keyring: string
  readonly version: number
  readonly id: number
  readonly algorithm: TinkAlgorithm
}

/** Every data key of the examples. The last version of a keyring is its active key. */
export const KEYS: readonly ExampleKey[] = [
  { keyring: 'pii', version: 1, id: 0x01020304, algorithm: 'AES-256-GCM' },
  { keyring: 'pii', version: 2, id: 0xfedcba98, algorithm: 'AES-256-GCM' },
  { keyring: 'pii/tenant-42', version: 1, id: 0x7f000001, algorithm: 'AES-256-GCM' },
  { keyring: 'financial_data', version: 1, id: 0x0a0b0c0d, algorithm: 'X-AES-256-GCM' },
  { keyring: 'blind_index', version: 1, id: 0x11223344, algorithm: 'HMAC-SHA-256' },
  { keyring: 'audit_logs', version: 1, id: 7, algorithm: 'AES-256-GCM' },
]

export const dataKeyOf = ({ keyring, version }: Pick<ExampleKey, 'keyring' | 'version'>): Buffer =>
  exampleKey(`${keyring} ${version}`)

export interface SetUp {
  readonly folder: string
  readonly keyFile: string
  readonly storePath: string
  readonly provider: KeyProvider
  readonly policy: Policy
  readonly keywright: Keywright
  readonly clock: { now(): number; after(): () => void; move(ms: number): void }
}

/** The default policy, with financial_data under X-AES-256-GCM. */
function examplePolicy(): Policy {
  const base = defaultPolicy({ provider: 'file' })
  const keyTypes = { ...base.keyTypes }
  const financial = keyTypes['financial_data']
  if (financial !== undefined) {
    keyTypes['financial_data'] = { ...financial, algorithm: 'X-AES-256-GCM', maxMessages: 2 ** 48 }
  }
  return { ...base, keyTypes }
}

/** Key file with two master key versions, a store, and the keys above: `pii` wrapped under version 1, others under 2. */
export async function openSetUp(folder: string): Promise<SetUp> {
  let now = START
  const clock = {
    now: () => now,
    after: () => () => undefined,
    move: (ms: number) => {
      now += ms
    },
  }
  const keyFile = join(folder, 'master.keys')
  const storePath = join(folder, 'keys.db')
  const rootSecret = { kind: 'key', bytes: exampleKey('root key') } as const
  await createKeyFile({ path: keyFile, rootSecret })
  const provider = fileProvider({ path: keyFile, rootSecret })
  const policy = examplePolicy()
  const store = await openSqliteStore({ path: storePath, create: true })
  const keywright = new Keywright({ provider, store, policy, clock })
  for (const keyring of new Set(KEYS.map((key) => key.keyring))) {
    await importKeys(keywright, keyring)
    if (keyring === 'pii') await keywright.keys.rotateMaster('file')
  }
  return { folder, keyFile, storePath, provider, policy, keywright, clock }
}

async function importKeys(keywright: Keywright, keyring: string): Promise<void> {
  const keys = KEYS.filter((key) => key.keyring === keyring)
  const keyset = encodeKeyset({
    primaryKeyId: keys.at(-1)?.id ?? 0,
    keys: keys.map((key) => ({
      id: key.id,
      status: 'ENABLED',
      prefix: key.algorithm === 'HMAC-SHA-256' ? 'RAW' : 'TINK',
      algorithm: key.algorithm,
      key: dataKeyOf(key),
    })),
  })
  const [keyType = '', tenant] = keyring.split('/')
  await keywright.importKeyset(keyType, keyset, tenant === undefined ? {} : { tenant })
}
