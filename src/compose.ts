/**
 * The composition root: options, environment and policy document → providers, store, audit log, Keywright. The only
 * file of the library that reads the environment, and the only one that knows providers and stores by name.
 */
import { BACKENDS } from '../providers/index.ts'
import { openSource } from '../sources/index.ts'
import { openStore } from '../stores/index.ts'
import { fileAuditSink } from './audit/file-sink.ts'
import type { AuditSink } from './audit/sink.ts'
import type { Clock } from './clock.ts'
import { auditFile } from './config/audit-place.ts'
import { type PlannedProvider, planProviders, selectBackend } from './config/backends.ts'
import { besideKeyFile, from, prefer, type Sourced } from './config/configuration.ts'
import {
  type Environment,
  type EnvironmentSettings,
  fernetKeysIn,
  readEnvironment,
  variable,
} from './config/environment.ts'
import { planPlaces } from './config/places.ts'
import { readPolicyDocument, resolvePolicyDocument } from './config/policy-document.ts'
import { readRootSecret } from './config/root-secret.ts'
import type { ForeignOptions } from './data/foreign/readers.ts'
import { KeywrightError } from './errors.ts'
import type { DataPlace } from './jobs/places.ts'
import { Keywright } from './keywright.ts'
import { originOf } from './policy/members.ts'
import type { PolicyOverrides } from './policy/overrides.ts'
import type { PerformanceMode, Policy } from './policy/policy.ts'
import type {
  BackendModule,
  KeyProvider,
  PrivilegePolicy,
  ProviderSettings,
  RootSecretText,
} from './provider.ts'
import type { ResilienceOptions } from './resilience/options.ts'
import type { KeyStore } from './store.ts'

export { BACKENDS } from '../providers/index.ts'
export { openSource } from '../sources/index.ts'
export { openStore } from '../stores/index.ts'
export type { PlannedProvider } from './config/backends.ts'

export { DEFAULT_CONFIG_PATH } from './config/policy-document.ts'

/** Options of {@link open}. What is given here wins over environment and policy document. */
export interface OpenOptions extends ForeignOptions {
  /** Backend by its name in the environment: 'file', 'vault', 'aws_kms' … */
  readonly backend?: string
  /** Path of the key file, for the file backend. */
  readonly path?: string
  /** Where the key records live: 'sqlite:./keys.db'. @default keys.db beside the key file */
  readonly storeUrl?: string
  /** The audit log: a path, 'store' for the key store, a sink of your own, or false for none. @default audit.jsonl beside the key file */
  readonly audit?: string | false | AuditSink
  /** The policy document: a path, or the document itself. @default config/encryption.json, if it is there */
  readonly config?: string | object
  /** The profile of the policy document. @default the one that NODE_ENV names, if the document has it */
  readonly profile?: string
  /** Root secret of the file and Redis backends: a key as text. */
  readonly masterKey?: string
  /** … or a password. */
  readonly masterPassword?: string
  /** Make key file and store where there are none. Never in production by accident: see `init`. @default false */
  readonly create?: boolean
  readonly autoRotation?: boolean
  readonly rotationIntervalDays?: number
  readonly performanceMode?: PerformanceMode
  /** Who acts, for the audit log. */
  readonly actor?: string
  /** Where ciphertexts live, beside the `sources` of the policy document: sources of your own. @default none */
  readonly places?: readonly DataPlace[]
  readonly providerTimeoutMs?: number
  /** Retries, circuit breaker and limits of provider calls. */
  readonly resilience?: ResilienceOptions
  readonly clock?: Clock
  /** @default process.env */
  readonly environment?: Environment
}

/** Everything decided, nothing opened yet. */
export interface Configuration {
  readonly environment: Environment
  readonly policy: Policy
  readonly policySource: Sourced<string>
  readonly providers: readonly PlannedProvider[]
  /** Name of the instance that option, environment or document select. */
  readonly selected: string
  readonly storeUrl: Sourced<string>
  readonly audit: Sourced<string | AuditSink | false>
  readonly rootSecret: RootSecretText | undefined
  /** What reads values of other libraries inside a migration window. */
  readonly foreign: ForeignOptions
  readonly production: boolean
}

/** Opens Keywright by options, environment and policy document. Throws before anything is opened or made. */
export async function open(options: OpenOptions = {}): Promise<Keywright> {
  const configuration = await configure(options)
  const store = await openStore(configuration.storeUrl.value, { create: options.create === true })
  try {
    return await composeWith(configuration, store, options)
  } catch (error) {
    await store.close?.()
    throw error
  }
}

async function composeWith(
  configuration: Configuration,
  store: KeyStore,
  options: OpenOptions,
): Promise<Keywright> {
  const mayMakeMasterKey = options.create === true && (await isEmpty(store))
  const providers = await openProviders(configuration, mayMakeMasterKey)
  const sink = auditSinkOf(configuration.audit.value, store)
  return new Keywright({
    provider: providers,
    store,
    policy: configuration.policy,
    places: [...placesOf(configuration), ...(options.places ?? [])],
    foreign: configuration.foreign,
    ...(sink === false ? {} : { audit: sink }),
    ...(options.actor === undefined ? {} : { actor: options.actor }),
    ...(options.providerTimeoutMs === undefined ? {} : { providerTimeoutMs: options.providerTimeoutMs }),
    ...(options.resilience === undefined ? {} : { resilience: options.resilience }),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  })
}

/** Where ciphertexts live, by the policy. Opens nothing; a variable with a URL is asked for when a place is opened. */
export function placesOf({ environment, policy }: Configuration): DataPlace[] {
  return planPlaces(policy, environment).map((planned) => {
    if (planned.kind === 'folder') return planned
    const { settings, ...place } = planned
    return { ...place, open: async () => openSource(settings()) }
  })
}

function auditSinkOf(audit: string | AuditSink | false, store: KeyStore): AuditSink | false {
  if (typeof audit !== 'string') return audit
  const path = auditFile(audit)
  if (path !== undefined) return fileAuditSink({ path })
  if (store.auditSink !== undefined) return store.auditSink()
  throw new KeywrightError('ERR_CONFIG_INVALID', 'this key store keeps no audit log', {
    hint: 'PostgreSQL and Redis do; else write a path into ENCRYPTION_AUDIT_PATH, or "off"',
  })
}

/** A store with records belongs to a master key that exists: a missing key file is a loss, not a beginning. */
async function isEmpty(store: KeyStore): Promise<boolean> {
  return (await store.list({ limit: 1 })).records.length === 0
}

/** Makes the provider instances of a configuration. */
export async function openProviders(configuration: Configuration, create: boolean): Promise<KeyProvider[]> {
  return Promise.all(configuration.providers.map((planned) => openProvider(configuration, planned, create)))
}

/** Makes one provider instance. */
export async function openProvider(
  configuration: Configuration,
  planned: PlannedProvider,
  create: boolean,
): Promise<KeyProvider> {
  const { configure: make } = await planned.backend.load()
  return make(settingsOf(configuration, planned, create))
}

/** What the module of a planned provider says of the permissions it needs. */
export async function privilegesOf(
  configuration: Configuration,
  planned: PlannedProvider,
): Promise<{ permissions: NonNullable<BackendModule['permissions']>; policy: PrivilegePolicy | undefined }> {
  const { leastPrivilege, permissions = {} } = await planned.backend.load()
  return { permissions, policy: leastPrivilege?.(settingsOf(configuration, planned, false)) }
}

function settingsOf(
  { production, rootSecret }: Configuration,
  { name, options }: PlannedProvider,
  create: boolean,
): ProviderSettings {
  return { name, options, production, create, ...(rootSecret === undefined ? {} : { rootSecret }) }
}

/** Decides everything, opens nothing but the policy document and the root secret's file. */
export async function configure(options: OpenOptions = {}): Promise<Configuration> {
  const environment = options.environment ?? process.env
  const settings = readEnvironment(environment)
  const document = await readPolicyDocument(options.config, settings.configPath)
  const overrides = overridesOf(options, settings)
  const profile = prefer(
    from('option', options.profile),
    from('environment', settings.profile, 'ENCRYPTION_PROFILE'),
    from('environment', variable(environment, 'NODE_ENV'), 'NODE_ENV'),
  )
  const policyOf = (more: PolicyOverrides, known: readonly string[]): Promise<Policy> =>
    resolvePolicyDocument(document, {
      overrides: { ...overrides, ...more },
      knownProviders: known,
      profile,
    })
  const draft = await policyOf({}, Object.keys(BACKENDS))
  const stated = draft.providers
  const preferred = statedProvider(draft)
  const selected = selectBackend(BACKENDS, options.backend, settings.backend, stated, preferred)
  const providers = planProviders(BACKENDS, stated, selected, options.path, environment)
  const main = providers.find(({ name }) => name === selected.instance) as PlannedProvider
  // Key types that name no provider use the selected one, unless the document says which.
  const explicit = selected.source !== 'policy document' || preferred === undefined
  const policy = await policyOf(
    explicit ? { provider: selected.instance } : {},
    providers.map(({ name }) => name),
  )
  const beside = besideKeyFile(typeof main.options['path'] === 'string' ? main.options['path'] : undefined)
  return {
    environment,
    policy: { ...policy, providers: inForce(providers) },
    policySource: { value: document?.path ?? 'default policy', source: document?.source ?? 'default' },
    providers,
    selected: selected.instance,
    storeUrl: prefer(
      from('option', options.storeUrl),
      from('environment', settings.storeUrl, 'ENCRYPTION_KEY_STORE_URL'),
    ) ?? { value: beside.storeUrl, source: 'default' },
    audit: auditOf(options, settings, beside.auditPath),
    rootSecret: await readRootSecret(options, environment),
    foreign: {
      fernetKeys: options.fernetKeys ?? fernetKeysIn(environment),
      ...(options.readers === undefined ? {} : { readers: options.readers }),
    },
    production: environment['NODE_ENV'] === 'production',
  }
}

/** The provider that the document names for key types which name none. */
function statedProvider(policy: Policy): string | undefined {
  const keyTypes = Object.values(policy.keyTypes)
  return keyTypes.find((keyType) => originOf(keyType, 'provider')?.path === 'provider')?.provider
}

/** The provider instances as they will be, those that only the environment names included. */
function inForce(providers: readonly PlannedProvider[]): Policy['providers'] {
  return Object.fromEntries(
    providers.map(({ name, backend, options }) => [name, { type: backend.name, options }]),
  )
}

function auditOf(
  options: OpenOptions,
  settings: EnvironmentSettings,
  fallback: string,
): Sourced<string | AuditSink | false> {
  const { auditPath } = settings
  return (
    prefer<string | AuditSink | false>(
      from('option', options.audit),
      from('environment', auditPath === 'off' ? false : auditPath, 'ENCRYPTION_AUDIT_PATH'),
    ) ?? { value: fallback, source: 'default' }
  )
}

function overridesOf(options: OpenOptions, settings: EnvironmentSettings): PolicyOverrides {
  const autoRotation = options.autoRotation ?? settings.autoRotation
  const rotationIntervalDays = options.rotationIntervalDays ?? settings.rotationIntervalDays
  const performanceMode = options.performanceMode ?? settings.performanceMode
  return {
    ...(autoRotation === undefined ? {} : { autoRotation }),
    ...(rotationIntervalDays === undefined ? {} : { rotationIntervalDays }),
    ...(performanceMode === undefined ? {} : { performanceMode }),
  }
}
