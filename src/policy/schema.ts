/** The form of a policy document. Only document.ts and what it alone imports may load this file, because it loads zod. */
import * as z from 'zod'
import { MODES } from './defaults.ts'
import { type DurationRules, durationHint, durationPattern, readDuration } from './duration.ts'
import { FORMAT_HINT, FORMAT_PATTERN, readUntil, UNTIL_HINT, UNTIL_PATTERN } from './migration.ts'
import {
  KEY_TYPE_HINT,
  KEY_TYPE_PATTERN,
  PROVIDER_NAME_HINT,
  PROVIDER_PATTERN,
  SOURCE_NAME_HINT,
  SOURCE_PATTERN,
} from './names.ts'
import { LONGEST_PATTERN, parsePattern } from './patterns.ts'
import { readSize, SIZE_HINT, SIZE_PATTERN } from './size.ts'
import { hasPassword } from './url-password.ts'

/** What each kind of duration allows; read.ts reads by the same rules. */
export const AGE: DurationRules = { never: true }
export const GRACE: DurationRules = { never: true, zero: true }
export const STALE: DurationRules = { zero: true }
export const PERIOD: DurationRules = {}

const about = <T extends z.ZodType>(schema: T, description: string): z.ZodOptional<T> =>
  schema.meta({ description }).optional()

const duration = (rules: DurationRules) =>
  z
    .string({ error: durationHint(rules) })
    .regex(new RegExp(durationPattern(rules)), { error: durationHint(rules) })
    .refine((text) => readDuration(text, rules) !== undefined, { error: durationHint(rules) })

const named = (pattern: string, error: string) => z.string({ error }).regex(new RegExp(pattern), { error })
const keyTypeName = () => named(KEY_TYPE_PATTERN, KEY_TYPE_HINT)
const providerName = () => named(PROVIDER_PATTERN, PROVIDER_NAME_HINT)

const COUNT = 'expected a whole number above zero'
const count = (error = COUNT) => z.int({ error }).positive({ error })
const countOrNever = (error = `${COUNT}, or "never"`) =>
  z.union([count(error), z.literal('never')], { error })

const size = (error = `${SIZE_HINT}, or "never"`) =>
  z
    .union([count(error), z.literal('never'), z.string().regex(new RegExp(SIZE_PATTERN), { error })], {
      error,
    })
    .refine((value) => value === 'never' || readSize(value) !== undefined, { error })

const DAYS = 'expected a number of days above zero, at most 365000'
const days = () => z.number({ error: DAYS }).min(1e-6, { error: DAYS }).max(365_000, { error: DAYS })
const GRACE_DAYS = 'expected a number of days, zero or more, at most 365000'

const PATTERN = 'expected names joined by dots, "*" for any: "users.ssn", "*.email", "*.*_phone"'
const selector = () =>
  z
    .string({ error: PATTERN })
    .min(1, { error: PATTERN })
    .max(LONGEST_PATTERN, { error: `at most ${LONGEST_PATTERN} characters` })
    .refine((text) => parsePattern(text) !== undefined, { error: PATTERN })

const rotation = z.strictObject({
  auto: about(z.boolean(), 'Rotate by itself when due. Otherwise a due rotation is only reported.'),
  age: about(duration(AGE), 'Rotation is due when the active key is older, e.g. "90d" or "never".'),
  messages: about(countOrNever(), 'Rotation is due after so many messages, or "never".'),
  bytes: about(size(), 'Rotation is due after so many plaintext bytes: a number, "100 GiB" or "never".'),
})

const cache = z.strictObject({
  ttl: about(duration(PERIOD), 'An unwrapped key is fetched anew from the provider after this time.'),
  uses: about(count(), '… or after so many operations in one process.'),
  refresh: about(
    duration(PERIOD),
    'Key records are read anew after this time: within it rotation and revocation reach every process.',
  ),
})

const onceOld = (what: string) => about(z.enum(['decrypt', 'refuse']), what)

const WRAPS = 'expected a whole number above zero, or "all"'

/** What can be said for one key type and for all of them. */
const shared = {
  furtherProviders: about(
    z.array(providerName()).max(8),
    'Provider instances that wrap these keys as well, in the order in which they are asked to unwrap.',
  ),
  minWraps: about(
    z.union([count(WRAPS), z.literal('all')], { error: WRAPS }),
    'A new key needs at least so many wraps; `repair` adds those that are missing. Default: "all".',
  ),
  rotation: about(rotation, 'When a new key takes over.'),
  maxAge: about(duration(AGE), 'A key older than this does not encrypt any more, or "never".'),
  afterMaxAge: onceOld('Whether a key past its max age still decrypts. Default: "decrypt".'),
  maxMessages: about(
    countOrNever(),
    'Encryption under one key stops at so many messages. At most 2^32 for AES-256-GCM, 2^48 for X-AES-256-GCM.',
  ),
  grace: about(duration(GRACE), 'How long a replaced key is kept at least before it may be destroyed.'),
  compromised: onceOld('Whether a key revoked as compromised still decrypts. Default: "decrypt".'),
  cache: about(cache, 'How long unwrapped keys serve in memory.'),
  serveStale: about(
    duration(STALE),
    'When provider or store are down, cached keys serve for at most so long. "0s": fail closed at once.',
  ),
  tenants: about(
    z.enum(['none', 'optional', 'required']),
    'Whether each tenant has keys of its own. Default: "optional".',
  ),
  auditAccess: about(z.boolean(), 'Write an audit record for each encryption and decryption too.'),
}

const migration = z.strictObject({
  until: z
    .string({ error: UNTIL_HINT })
    .regex(new RegExp(UNTIL_PATTERN), { error: UNTIL_HINT })
    .refine((text) => readUntil(text) !== undefined, { error: UNTIL_HINT })
    .meta({ description: 'The last day (UTC) or the instant; from then on other formats are refused.' }),
  reads: z
    .array(named(FORMAT_PATTERN, FORMAT_HINT), { error: FORMAT_HINT })
    .min(1, { error: FORMAT_HINT })
    .max(16)
    .meta({ description: 'Formats: "plain", "fernet", or names of readers of the program.' }),
})

const keyType = z.strictObject({
  description: about(z.string(), 'For people.'),
  provider: about(providerName(), 'Name of the provider instance that wraps keys of this type.'),
  algorithm: about(
    z.enum(['AES-256-GCM', 'X-AES-256-GCM', 'HMAC-SHA-256']),
    'How values are sealed. X-AES-256-GCM is for more than 2^32 messages per key, HMAC-SHA-256 for search tokens.',
  ),
  ...shared,
  migration: about(
    migration,
    'Values of other formats that are read, until a day, while they are migrated. They are never written.',
  ),
  selectors: about(
    z.array(selector()).max(500),
    'Fields that belong to this key type: "users.ssn", "*.email", "*.*_phone". A leading "*" stands for any ' +
      'number of segments, any other "*" for a run of characters within one.',
  ),
})

const defaults = z.strictObject({
  algorithm: about(z.enum(['AES-256-GCM', 'X-AES-256-GCM']), 'How values are sealed.'),
  ...shared,
})

const rotationPolicy = z.strictObject({
  key_type: keyTypeName().meta({ description: 'The key type.' }),
  rotation_interval_days: days().meta({ description: 'As rotation.age, in days.' }),
  max_key_age_days: about(days(), 'As maxAge, in days.'),
  grace_period_days: about(
    z.number({ error: GRACE_DAYS }).min(0, { error: GRACE_DAYS }).max(365_000, { error: GRACE_DAYS }),
    'As grace, in days.',
  ),
  auto_rotation: about(z.boolean(), 'As rotation.auto.'),
  batch_size: about(
    count(),
    'Accepted and not used: how many values are re-encrypted at once is an option of that job.',
  ),
})

const provider = z.looseObject({
  type: named(PROVIDER_PATTERN, 'expected the name of a backend, such as "file"').meta({
    description: 'Name of the backend, such as "file" or "aws-kms".',
  }),
})

const COLUMN = 'expected the name of a column'
const columnName = (error = COLUMN, most = 200) => z.string({ error }).min(1, { error }).max(most, { error })
const CONTEXT_NAME =
  'a name in the context is a-z, 0-9, "_", "." and "-", at most 64, and not one of Keywright'
const contextName = () => named('^(?!(keyring|table|column|row|as)$)[a-z0-9_.-]{1,64}$', CONTEXT_NAME)
const nameOrNone = () => z.union([columnName(), z.null()], { error: 'expected a name, or null for none' })

const searchIndex = z.strictObject({
  column: columnName().meta({ description: 'The column that holds the search token.' }),
  normaliser: about(
    z.enum(['exact', 'lower', 'email', 'email_domain', 'digits', 'last4']),
    'What counts as equal. Default: "exact".',
  ),
  field: about(columnName(), 'The field in the token. Default: table and column of the encrypted column.'),
  bits: about(z.int().min(4).max(256), 'Length of the token. Default: 256.'),
  slow: about(
    z.union(
      [
        z.boolean(),
        z.strictObject({
          memoryKiB: about(count(), 'Default: 19456.'),
          passes: about(count(), 'Default: 2.'),
          parallelism: about(count(), 'Default: 1.'),
        }),
      ],
      { error: 'expected true, false or the cost of a token' },
    ),
    'Argon2id before the token, for values that can be guessed.',
  ),
})

const boundColumn = z.strictObject({
  keyType: about(keyTypeName(), 'Default: what the selectors say to table.column.'),
  table: about(nameOrNone(), 'The table in the context; null for none. Default: the table, else the source.'),
  column: about(nameOrNone(), 'The column in the context; null for none. Default: its name.'),
  row: about(columnName(), 'The column whose value is the id of the row in the context. Default: none.'),
  tenant: about(columnName(), 'The column whose value is the tenant. Default: none.'),
  context: about(z.record(contextName(), z.string()), 'What else stands in the context.'),
  as: about(
    z.enum(['string', 'number', 'bigint', 'boolean', 'date', 'json', 'bytes']),
    'The type of the values, for migrations from plain text. Default: "string".',
  ),
  indexes: about(z.array(searchIndex).max(16), 'Columns with search tokens of this one.'),
})

const URL_FORM =
  'expected a URL without a password; put one with a password into a variable named by urlVariable'
const VARIABLE = 'expected the name of an environment variable'

const source = z.strictObject({
  type: z.enum(['postgres', 'sqlite', 'redis', 'folder']).meta({ description: 'What kind of place it is.' }),
  url: about(
    z
      .string({ error: URL_FORM })
      .min(1, { error: URL_FORM })
      .refine((url) => !hasPassword(url), { error: URL_FORM }),
    'Where the server is. Never with a password: that is what urlVariable is for.',
  ),
  urlVariable: about(
    named('^[A-Za-z_][A-Za-z0-9_]{0,199}$', VARIABLE),
    'The environment variable that holds the URL.',
  ),
  path: about(columnName('expected a path', 4096), 'The SQLite file, or the folder.'),
  table: about(columnName('expected a table'), 'The table: "users", "app.users".'),
  pattern: about(columnName('expected a pattern'), 'The Redis keys: "session:*".'),
  key: about(z.array(columnName()).min(1).max(16), 'The columns of a unique key. Default: the primary key.'),
  columns: about(z.record(columnName(), boundColumn), 'The encrypted columns by name.'),
})

/** What a profile may say too. */
const settings = {
  provider: about(providerName(), 'The provider of key types that name none.'),
  performanceMode: about(
    z.enum(MODES),
    'Preset of caches and of how long they serve in an outage. Cryptography is the same in all of them.',
  ),
  providers: about(
    z.record(providerName(), provider),
    'Provider instances by name. Members other than "type" are options of the backend.',
  ),
  defaults: about(
    defaults,
    'What holds for all key types that do not say otherwise. Ages, limits and algorithm do not reach key types ' +
      'that make search tokens.',
  ),
  keyTypes: about(z.record(keyTypeName(), keyType), 'Key types by name: those of the program and your own.'),
  defaultSelectors: about(
    z.boolean(),
    'Whether the selectors of the program (email, ssn, iban, api_key …) count beside yours. Default: true.',
  ),
  sources: about(
    z.record(named(SOURCE_PATTERN, SOURCE_NAME_HINT), source),
    'Where ciphertexts live: what a census counts and a re-encryption goes through.',
  ),
  audit: about(
    z.strictObject({ retention: about(duration(AGE), 'Audit records older than this may be dropped.') }),
    'The audit log.',
  ),
  rotation_policies: about(z.array(rotationPolicy), 'The flat form of rotation policies, accepted as well.'),
}

export const PolicyDocument = z.strictObject({
  $schema: about(z.string(), 'For editors.'),
  version: about(z.literal(1), 'Version of the document format.'),
  ...settings,
  profiles: about(
    z.record(providerName(), z.strictObject(settings)),
    'What differs in one environment: "development", "test", "production". Chosen by ENCRYPTION_PROFILE, else by ' +
      'NODE_ENV. A provider instance or source of a profile replaces the one of its name.',
  ),
})

export type PolicyDocument = z.infer<typeof PolicyDocument>
