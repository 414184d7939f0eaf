/** Paths that fail with what comes from elsewhere: keysets, audit events, clients that throw, files that go. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import memoryProvider from '../../providers/memory.ts'
import { encodeKeyset, type TinkKey } from '../../src/crypto/tink-keyset.ts'
import { encodeKeysetJson } from '../../src/crypto/tink-keyset-json.ts'
import { type AuditEvent, type KeyProvider, seal } from '../../src/index.ts'
import { Keywright } from '../../src/keywright.ts'
import memoryStore from '../../stores/memory.ts'
import type { FailingPath } from './failing-path.ts'
import { type Lab, SECRETS } from './lab.ts'

const text = SECRETS.text.value
const bytes = SECRETS.bytes.value

const KEYSET_KEY: TinkKey = {
  id: 77,
  status: 'ENABLED',
  prefix: 'TINK',
  algorithm: 'AES-256-GCM',
  key: SECRETS.importedKey.value,
}
const clear = encodeKeysetJson({ primaryKeyId: 77, keys: [KEYSET_KEY] })
const binary = encodeKeyset({ primaryKeyId: 77, keys: [KEYSET_KEY] })

const imported = (lab: Lab, keyset: string | Uint8Array, provider?: string): Promise<unknown> =>
  lab.keywright.importKeyset('pii', Buffer.from(keyset), {
    tenant: 'imports',
    ...(provider === undefined ? {} : { provider }),
  })

const keysets: FailingPath[] = [
  ['keyset, JSON cut', (lab) => imported(lab, clear.slice(0, -10))],
  ['keyset, JSON cut in the key', (lab) => imported(lab, clear.slice(0, clear.indexOf('"value"') + 40))],
  ['keyset, key too short', (lab) => imported(lab, clear.replace(/("value": ?".{20}).{4}/, '$1'))],
  ['keyset, key no base64', (lab) => imported(lab, clear.replace(/("value": ?".{20})./, '$1!'))],
  ['keyset, member twice', (lab) => imported(lab, clear.replace(/("value": ?"[^"]*")/, '$1, $1'))],
  ['keyset, unknown member', (lab) => imported(lab, clear.replace(/"value"/, '"vaule"'))],
  ['keyset, no primary', (lab) => imported(lab, clear.replace(/("primaryKeyId": ?)77/, '$178'))],
  ['keyset, trailing text', (lab) => imported(lab, `${clear} ${clear}`)],
  [
    'keyset, another algorithm',
    (lab) => lab.keywright.importKeyset('tokens', Buffer.from(clear), { tenant: 'x' }),
  ],
  ['keyset, a keyring that exists', (lab) => lab.keywright.importKeyset('pii', Buffer.from(clear))],
  ['keyset, clear where an encrypted one is due', (lab) => imported(lab, clear, 'file')],
  ['binary keyset cut', (lab) => imported(lab, binary.subarray(0, -5))],
  [
    'binary keyset with more behind',
    (lab) => imported(lab, Buffer.concat([binary, SECRETS.importedKey.value])),
  ],
  ['binary keyset, wrong length', (lab) => imported(lab, Buffer.from(binary.with(1, 0x7f)))],
  ['key bytes in place of a keyset', (lab) => imported(lab, SECRETS.importedKey.value)],
  [
    'key as base64 in place of a keyset',
    (lab) => imported(lab, SECRETS.importedKey.value.toString('base64')),
  ],
  [
    'encrypted keyset, changed',
    async (lab) => {
      const sealed = await lab.keywright.exportKeyset('pii', { provider: 'file', format: 'binary' })
      return imported(lab, Buffer.from(sealed.with(sealed.length - 40, 1)), 'file')
    },
  ],
]

const said = text
const EVENTS: Readonly<Record<string, unknown>> = {
  name: { event: said },
  member: { event: 'data.encrypt', [said]: 1 },
  'value of an unknown member': { event: 'data.encrypt', value: said },
  'name of a detail': { event: 'data.encrypt', details: { [said]: 1 } },
  'detail that is an object': { event: 'data.encrypt', details: { value: { deep: said } } },
  'reason that is too long': { event: 'data.encrypt', reason: said.repeat(40) },
  'reason with a lone surrogate': { event: 'data.encrypt', reason: `${said}\ud800` },
  'key id that is text': { event: 'data.encrypt', keyId: said },
  'text in place of an event': said,
}

const auditEvents: FailingPath[] = Object.entries(EVENTS).map(([what, event]) => [
  `audit event: ${what}`,
  (lab) => lab.keywright.audit.append(event as AuditEvent),
])

/** What clients throw holds requests, headers, tokens. */
class ClientError extends Error {
  readonly request = { headers: { authorization: SECRETS.foreign.value } }
}
const thrown = (): Error => new ClientError(`401 for token ${SECRETS.foreign.value}`)

function brokenProvider(member: keyof KeyProvider): KeyProvider {
  const fail = (): never => {
    throw thrown()
  }
  return { ...memoryProvider({}), [member]: fail }
}

const clients: FailingPath[] = [
  ...(['wrapKey', 'unwrapKey'] as const).map(
    (member): FailingPath => [
      `a provider whose ${member} throws`,
      async () => {
        await using keywright = new Keywright({ provider: brokenProvider(member), store: memoryStore() })
        await keywright.encrypt('pii', text)
      },
    ],
  ),
  [
    'a provider whose rotateMasterKey throws',
    async () => {
      await using keywright = new Keywright({
        provider: brokenProvider('rotateMasterKey'),
        store: memoryStore(),
      })
      await keywright.keys.rotateMaster('memory')
    },
  ],
  ['an envelope under a provider that throws', () => seal(brokenProvider('wrapKey'), bytes, {})],
  [
    'an audit sink that throws',
    async () => {
      const audit = {
        exclusive: () => Promise.reject(thrown()),
        read: () => {
          throw thrown()
        },
        head: () => Promise.reject(thrown()),
      }
      await using keywright = new Keywright({ provider: memoryProvider({}), store: memoryStore(), audit })
      await keywright.encrypt('pii', text)
    },
  ],
]

const management: FailingPath[] = [
  ['revoke without a reason', async (lab) => lab.keywright.keys.revoke((await firstKey(lab)).id, ' ')],
  ['destroy the active key', async (lab) => lab.keywright.keys.destroy((await firstKey(lab)).id)],
  [
    'the key file is gone',
    async (lab) => {
      const folder = lab.newFolder()
      await lab.useNew({ path: join(folder, 'master.keys') })
      rmSync(join(folder, 'master.keys'))
      await lab.useNew({ path: join(folder, 'master.keys') })
    },
  ],
]

const firstKey = async (lab: Lab) => {
  const key = await lab.keywright.keys.active('pii')
  if (key === undefined) throw new Error('the lab has no key')
  return key
}

export const FOREIGN_PATHS: readonly FailingPath[] = [...keysets, ...auditEvents, ...clients, ...management]
