/** Paths that fail for their settings: root secrets, environment, store URLs, key files. */
import { createSecretKey } from 'node:crypto'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createKeyFile } from '../../providers/file.ts'
import { BACKENDS } from '../../providers/index.ts'
import { createMasterKeyset, formatKeyFile } from '../../providers/local/master-keyset.ts'
import { VARIABLES } from '../../src/config/environment.ts'
import { ForeignReaders } from '../../src/data/foreign/readers.ts'
import type { FailingPath } from './failing-path.ts'
import { ENVIRONMENT, type Lab, SECRETS } from './lab.ts'

const root = SECRETS.rootKey.value
const base64 = root.toString('base64')
const hex = root.toString('hex')
const fernet = Buffer.from(`${root.toString('base64url')}=`).toString('base64')
const secret = SECRETS.setting.value

/** Root keys that are not quite right, each with all or most of the real one in it. */
const WRONG_KEYS: Readonly<Record<string, string>> = {
  'base64, last byte cut': root.subarray(0, 31).toString('base64'),
  'base64, one byte more': Buffer.concat([root, Buffer.from([1])]).toString('base64'),
  'base64 in quotes': `"${base64}"`,
  'base64 with a space': `${base64.slice(0, 20)} ${base64.slice(20)}`,
  'base64, wrong last bits': `${base64.slice(0, 42)}${base64[42] === 'B' ? 'C' : 'B'}=`,
  'base64url, mixed alphabets': `${root.toString('base64url').slice(0, 40)}+-_/`,
  'base64url, badly padded': `${root.toString('base64url')}==`,
  'hex, one digit less': hex.slice(1),
  'hex, one byte less': hex.slice(2),
  'hex, one byte more': `${hex}00`,
  'hex with 0x': `0x${hex}`,
  'hex with colons': hex.replace(/..(?!$)/g, '$&:'),
  'raw bytes as text': root.toString('latin1'),
  'base64 of hex': Buffer.from(hex).toString('base64'),
  'base64 of a Fernet key, cut': fernet.slice(4),
  'two keys': `${base64}\n${base64}`,
  'as JSON': JSON.stringify({ key: base64 }),
}

const rootKeys: FailingPath[] = Object.entries(WRONG_KEYS).flatMap(([spelling, text]): FailingPath[] => [
  [
    `root key in the environment: ${spelling}`,
    (lab) => lab.useNew({ environment: { ...ENVIRONMENT, ENCRYPTION_MASTER_KEY: text } }),
  ],
  [
    `root key as option: ${spelling}`,
    (lab) => lab.useNew({ environment: { ENCRYPTION_KEY_STORAGE_BACKEND: 'file' }, masterKey: text }),
  ],
  [
    `root key in a file: ${spelling}`,
    (lab) =>
      lab.useNew({
        environment: {
          ENCRYPTION_KEY_STORAGE_BACKEND: 'file',
          ENCRYPTION_MASTER_KEY_FILE: lab.newFile(text),
        },
      }),
  ],
])

const file = { ENCRYPTION_KEY_STORAGE_BACKEND: 'file' }
const password = SECRETS.password.value

const rootSecrets: FailingPath[] = [
  [
    'another root key than the one of the key file',
    (lab) =>
      lab.useNew({
        path: join(lab.folder, 'master.keys'),
        environment: file,
        masterKey: SECRETS.otherRootKey.value.toString('base64url'),
      }),
  ],
  [
    'a password for a key file that a root key sealed',
    (lab) =>
      lab.useNew({ path: join(lab.folder, 'master.keys'), environment: file, masterPassword: password }),
  ],
  [
    'a password with a lone surrogate',
    (lab) => lab.useNew({ environment: file, masterPassword: `${password}\ud800` }),
  ],
  [
    'a password that is too short',
    (lab) => lab.useNew({ environment: file, masterPassword: SECRETS.shortPassword.value }),
  ],
  [
    'root key and password both set',
    (lab) => lab.useNew({ environment: { ...ENVIRONMENT, ENCRYPTION_MASTER_PASSWORD: password } }),
  ],
  [
    'the root key where the path of its file belongs',
    (lab) => lab.useNew({ environment: { ...file, ENCRYPTION_MASTER_KEY_FILE: base64 } }),
  ],
  [
    'the root key in hex where the path of its file belongs',
    (lab) => lab.useNew({ environment: { ...file, ENCRYPTION_MASTER_KEY_FILE: hex } }),
  ],
  [
    'the wrong password',
    async (lab) => {
      const path = join(lab.newFolder(), 'master.keys')
      const kdf = { name: 'argon2id', memoryKiB: 7168, passes: 5 } as const
      await createKeyFile({ path, kdf, rootSecret: { kind: 'password', password: 'another password' } })
      await lab.useNew({ path, environment: { ...file, ENCRYPTION_MASTER_PASSWORD: password } })
    },
  ],
]

/** Paths are shown where they lead nowhere: whoever corrects them needs that. */
const PATHS: ReadonlySet<string> = new Set([
  'ENCRYPTION_CONFIG',
  'ENCRYPTION_AUDIT_PATH',
  'ENCRYPTION_KEY_STORAGE_PATH',
  'ENCRYPTION_KEY_PATH',
  'ENCRYPTION_MASTER_KEY_FILE',
  'ENCRYPTION_BACKUP_PATH',
])

/** Their values are not looked at when Keywright is opened; wrong ones have rows of their own. */
const ANY_VALUE: ReadonlySet<string> = new Set([
  'ENCRYPTION_MASTER_PASSWORD',
  'ENCRYPTION_KEY',
  'OLD_ENCRYPTION_KEY',
  'ENCRYPTION_QUEUE_URL',
])

/** Every variable there is, with the backend that it belongs to. */
const variables: readonly (readonly [name: string, backend: string])[] = [
  ...Object.keys(VARIABLES).map((name) => [name, 'file'] as const),
  ...Object.values(BACKENDS).flatMap(({ environmentName, variables: rows }) =>
    rows.flatMap(({ variables: names }) => names.map((name) => [name, environmentName] as const)),
  ),
]

const environment: FailingPath[] = [
  ...variables
    .filter(([name]) => !PATHS.has(name) && !ANY_VALUE.has(name))
    .map(
      ([name, backend]): FailingPath => [
        `${name} of ${backend}`,
        (lab) =>
          lab.useNew({
            environment: {
              ENCRYPTION_KEY_STORAGE_BACKEND: backend,
              [name]: SECRETS.variable.value,
            },
          }),
      ],
    ),
  [
    'an old key that is no Fernet key',
    async () => {
      new ForeignReaders({ fernetKeys: [SECRETS.variable.value] }).named(['fernet'])
    },
  ],
  [
    'every variable at once',
    (lab) =>
      lab.useNew({
        environment: Object.fromEntries(
          variables.filter(([name]) => !PATHS.has(name)).map(([name]) => [name, SECRETS.variable.value]),
        ),
      }),
  ],
]

const login = SECRETS.login.value
const urls: FailingPath[] = [
  `postgres://user:${login}@127.0.0.1:1/keys`,
  `redis://:${login}@127.0.0.1:1/0`,
  `mysql://user:${login}@127.0.0.1/keys`,
  `user:${login}@127.0.0.1/keys`,
  `sqlite://user:${login}@127.0.0.1/keys.db`,
  `sqlite:./keys.db?password=${login}`,
  `sqlite:./keys.db#${login}`,
  `memory://${login}`,
  `${login}`,
  `//${login}@127.0.0.1/keys`,
].flatMap((url): FailingPath[] => [
  [`store URL as option: ${url.replace(login, '…')}`, (lab) => lab.useNew({ storeUrl: url })],
  [
    `store URL in the environment: ${url.replace(login, '…')}`,
    (lab) => lab.useNew({ environment: { ...ENVIRONMENT, ENCRYPTION_KEY_STORE_URL: url } }),
  ],
])

const queues: FailingPath[] = [
  `redis://:${login}@127.0.0.1:1/0`,
  `rediss://user:${login}@127.0.0.1:1`,
  `http://user:${login}@127.0.0.1`,
  `${login}`,
].map(
  (redis): FailingPath => [
    `URL of the work queue: ${redis.replace(login, '…')}`,
    async ({ keywright }) => {
      await (await keywright.jobs.queue({ redis })).close()
    },
  ],
)

const key = SECRETS.fileKey.value

/** Makes an unsealed key file that holds the canary as its master key, damaged by `change`. */
async function unsealed(lab: Lab, change: (text: string) => string, mode = 0o600): Promise<void> {
  const path = join(lab.newFolder(), 'master.keys')
  const keyset = createMasterKeyset(Date.now())
  const versions = keyset.versions.map((version) => ({ ...version, key: createSecretKey(key) }))
  writeFileSync(path, change(formatKeyFile({ ...keyset, versions })))
  chmodSync(path, mode)
  await lab.useNew({ path, environment: file })
}

const keyFiles: FailingPath[] = [
  ['unsealed key file, open to others', (lab) => unsealed(lab, (text) => text, 0o644)],
  ['unsealed key file, cut', (lab) => unsealed(lab, (text) => text.slice(0, -30))],
  [
    'unsealed key file, checksum wrong',
    (lab) => unsealed(lab, (text) => text.replace(/"sha256": "./, '$&0')),
  ],
  ['unsealed key file, no JSON', (lab) => unsealed(lab, (text) => text.replace('"keys"', 'keys'))],
  [
    'unsealed key file, key cut',
    (lab) => unsealed(lab, (text) => text.replace(/("keys": ".{20}).{4}/, '$1')),
  ],
  [
    'unsealed key file although a root key is configured',
    async (lab) => {
      const path = join(lab.newFolder(), 'master.keys')
      await createKeyFile({ path })
      await lab.useNew({ path })
    },
  ],
  [
    'a root key in place of the key file',
    (lab) => lab.useNew({ path: lab.newFile(base64), environment: ENVIRONMENT }),
  ],
  ['any text in place of the key file', (lab) => lab.useNew({ path: lab.newFile(secret) })],
  [
    'a key file in which text takes the place of a number',
    (lab) =>
      lab.useNew({
        path: lab.newFile(JSON.stringify({ format: 'keywright-keyfile', v: secret, kdf: { name: secret } })),
      }),
  ],
]

export const SETTINGS_PATHS: readonly FailingPath[] = [
  ...rootKeys,
  ...rootSecrets,
  ...environment,
  ...urls,
  ...queues,
  ...keyFiles,
]
