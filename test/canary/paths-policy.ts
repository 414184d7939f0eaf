/** Policy documents that are wrong, with secrets in them. */
import type { FailingPath } from './failing-path.ts'
import { SECRETS } from './lab.ts'

const secret = SECRETS.setting.value

/** Documents with a secret where it does not belong, or cannot be what it should be. */
const DOCUMENTS: readonly unknown[] = [
  secret,
  [secret],
  { version: secret },
  { provider: secret },
  { performanceMode: secret },
  { defaultSelectors: secret },
  { audit: { retention: secret } },
  { audit: secret },
  { providers: secret },
  { providers: { file: secret } },
  { providers: { file: { type: secret } } },
  { providers: { file: { type: 'file', path: './x', token: secret } } },
  { providers: { file: { type: 'file', path: './x', pinnedVersion: { deep: secret } } } },
  { providers: { vault: { type: 'vault', token: secret } }, provider: 'vault' },
  { providers: { vault: { type: 'vault', token: secret } }, keyTypes: { pii: { provider: 'vualt' } } },
  { keyTypes: secret },
  { keyTypes: { pii: secret } },
  ...[
    { description: [secret] },
    { provider: secret },
    { algorithm: secret },
    { rotation: secret },
    { rotation: { auto: secret, age: secret, messages: secret, bytes: secret } },
    { maxAge: secret },
    { afterMaxAge: secret },
    { maxMessages: secret },
    { grace: secret },
    { compromised: secret },
    { cache: secret },
    { cache: { ttl: secret, uses: secret, refresh: secret } },
    { serveStale: secret },
    { tenants: secret },
    { auditAccess: secret },
    { selectors: secret },
    { selectors: [`${secret}..*`] },
    { unknown: secret },
  ].flatMap((keyType) => [{ keyTypes: { pii: keyType } }, { defaults: keyType }]),
  { rotation_policies: secret },
  { rotation_policies: [secret] },
  { rotation_policies: [{ key_type: secret, rotation_interval_days: 1 }] },
  { rotation_policies: [{ key_type: 'pii', rotation_interval_days: secret, batch_size: secret }] },
]

const quoted = JSON.stringify(secret)
/** Texts of documents that are no JSON, or not the JSON that is allowed. */
const TEXTS: readonly string[] = [
  secret,
  quoted,
  `{"token": ${quoted}`,
  `{"token": ${quoted},}`,
  `{"token": ${quoted.slice(0, -1)}}`,
  `{${quoted}}`,
  `{"keyTypes": {"pii": {"maxAge": ${quoted}, "maxAge": ${quoted}}}}`,
  `${quoted} ${quoted}`,
  `// ${quoted}\n{}`,
  `\ufeff{"provider": ${quoted}}`,
]

export const POLICY_PATHS: readonly FailingPath[] = [
  ...DOCUMENTS.map(
    (document, index): FailingPath => [
      `policy document ${index}: ${JSON.stringify(document).replaceAll(quoted, '…').slice(0, 60)}`,
      (lab) => lab.useNew({ config: lab.newFile(JSON.stringify(document)) }),
    ],
  ),
  ...DOCUMENTS.filter((document) => typeof document === 'object').map(
    (document, index): FailingPath => [
      `policy object ${index}`,
      (lab) => lab.useNew({ config: document as object }),
    ],
  ),
  ...TEXTS.map(
    (text, index): FailingPath => [
      `policy text ${index}`,
      (lab) => lab.useNew({ config: lab.newFile(text) }),
    ],
  ),
]
