/**
 * The composition root: options, environment and policy document → providers, store, audit log, Keywright. The only
 * file of the library that reads the environment, and the only one that knows providers and stores by name.
 */
import { BACKENDS, type Backend } from '../providers/index.ts'
import { openStore } from '../stores/index.ts'
import { fileAuditSink } from './audit/file-sink.ts'
import type { AuditSink } from './audit/sink.ts'
import type { Clock } from './clock.ts'
import {
  aliasProblems,
  besideKeyFile,
  from,
  mergeOptions,
  prefer,
  type Sourced,
} from './config/configuration.ts'
import {
  type Environment,
  type EnvironmentSettings,
  environmentInvalid,
  readEnvironment,
} from './config/environment.ts'
import { readPolicyDocument, resolvePolicyDocument } from './config/policy-document.ts'
import { readRootSecret } from './config/root-secret.ts'
import { KeywrightError } from './errors.ts'
import { Keywright } from './keywright.ts'
import { nearest } from './nearest.ts'
import type { PolicyOverrides } from './policy/overrides.ts'
import type { PerformanceMode, Policy, ProviderConfig } from './policy/policy.ts'
import type { KeyProvider, RootSecretText } from './provider.ts'
import type { KeyStore } from './store.ts'

export { BACKENDS } from '../providers/index.ts'
export { openStore } from '../stores/index.ts'

export { DEFAULT_CONFIG_PATH } from './config/policy-document.ts'

/** Options of {@link open}. What is given here wins over environment and policy document. */
export interface OpenOptions {
  /** Backend by its name in the environment: 'file', 'vault', 'aws_kms' … */
  readonly backend?: string
  /** Path of the key file, for the file backend. */
  readonly path?: string
  /** Where the key records live: 'sqlite:./keys.db'. @default keys.db beside the key file */
  readonly storeUrl?: string
  /** The audit log: a path, a sink of your own, or false for none. @default audit.jsonl beside the key file */
  readonly audit?: string | false | AuditSink
  /** The policy document: a path, or the document itself. @default config/encryption.json, if it is there */
  readonly config?: string | object
  /** Root secret of the file backend: a key as text. */
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
  readonly providerTimeoutMs?: number
  readonly clock?: Clock
  /** @default process.env */
  readonly environment?: Environment
}

/** A provider instance as it will be made. */
export interface PlannedProvider {
  readonly name: string
  readonly backend: Backend
  readonly options: Readonly<Record<string, unknown>>
  readonly sources: Readonly<Record<string, Sourced<unknown>>>
}

/** Everything decided, nothing opened yet. */
export interface Configuration {
  readonly environment: Environment
  readonly policy: Policy
  readonly policySource: Sourced<string>
  readonly providers: readonly PlannedProvider[]
  readonly storeUrl: Sourced<string>
  readonly audit: Sourced<string | AuditSink | false>
  readonly rootSecret: RootSecretText | undefined
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
  const { value: audit } = configuration.audit
  const sink = typeof audit === 'string' ? fileAuditSink({ path: audit }) : audit
  return new Keywright({
    provider: providers,
    store,
    policy: configuration.policy,
    ...(sink === false ? {} : { audit: sink }),
    ...(options.actor === undefined ? {} : { actor: options.actor }),
    ...(options.providerTimeoutMs === undefined ? {} : { providerTimeoutMs: options.providerTimeoutMs }),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  })
}

/** A store with records belongs to a master key that exists: a missing key file is a loss, not a beginning. */
async function isEmpty(store: KeyStore): Promise<boolean> {
  return (await store.list({ limit: 1 })).records.length === 0
}

/** Makes the provider instances of a configuration. */
export async function openProviders(configuration: Configuration, create: boolean): Promise<KeyProvider[]> {
  const { production, rootSecret } = configuration
  return Promise.all(
    configuration.providers.map(async ({ name, backend, options }) => {
      const { configure: make } = await loadBackend(backend)
      return make({ name, options, production, create, ...(rootSecret === undefined ? {} : { rootSecret }) })
    }),
  )
}

function loadBackend(backend: Backend): ReturnType<NonNullable<Backend['load']>> {
  if (backend.load !== undefined) return backend.load()
  throw new KeywrightError(
    'ERR_BACKEND_UNAVAILABLE',
    `the backend "${backend.name}" is not in this version`,
    {
      hint: `this version has: ${builtBackends().join(', ')}`,
    },
  )
}

/** Decides everything, opens nothing but the policy document and the root secret's file. */
export async function configure(options: OpenOptions = {}): Promise<Configuration> {
  const environment = options.environment ?? process.env
  const settings = readEnvironment(environment)
  const document = await readPolicyDocument(options.config, settings.configPath)
  const overrides = overridesOf(options, settings)
  const policyOf = (more: PolicyOverrides, known: readonly string[]): Promise<Policy> =>
    resolvePolicyDocument(document, { ...overrides, ...more }, known)
  const stated = (await policyOf({}, Object.keys(BACKENDS))).providers
  const selected = selectBackend(options, settings, stated)
  const providers = planProviders(stated, selected, options, environment)
  const main = providers.find(({ name }) => name === selected.instance) as PlannedProvider
  const explicit = selected.source !== 'policy document'
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
    storeUrl: prefer(
      from('option', options.storeUrl),
      from('environment', settings.storeUrl, 'ENCRYPTION_KEY_STORE_URL'),
    ) ?? { value: beside.storeUrl, source: 'default' },
    audit: auditOf(options, settings, beside.auditPath),
    rootSecret: await readRootSecret(options, environment),
    production: environment['NODE_ENV'] === 'production',
  }
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

interface SelectedBackend {
  /** Name of the provider instance that is the default one. */
  readonly instance: string
  readonly backend: Backend
  readonly source: Sourced<string>['source']
}

/** The backend that options or environment name, else the instances of the document. */
function selectBackend(
  options: OpenOptions,
  settings: EnvironmentSettings,
  stated: Readonly<Record<string, ProviderConfig>>,
): SelectedBackend {
  const named = prefer(from('option', options.backend), from('environment', settings.backend))
  const instances = Object.entries(stated)
  if (named !== undefined) {
    const backend = findBackend(named.value)
    const instance = instances.find(([, config]) => findBackend(config.type) === backend)?.[0]
    return { instance: instance ?? backend.name, backend, source: named.source }
  }
  const [first] = instances
  if (first !== undefined) {
    return { instance: first[0], backend: findBackend(first[1].type), source: 'policy document' }
  }
  throw new KeywrightError('ERR_BACKEND_MISSING', 'no backend is configured: nobody holds the master key', {
    hint: 'run `keywright init`, or set ENCRYPTION_KEY_STORAGE_BACKEND (file for a start)',
  })
}

/** By name ('aws-kms') or by its spelling in the environment ('aws_kms'). Throws ERR_BACKEND_UNKNOWN. */
export function findBackend(name: string): Backend {
  const backend = Object.values(BACKENDS).find((row) => row.name === name || row.environmentName === name)
  if (backend !== undefined) return backend
  const names = Object.values(BACKENDS).map((row) => row.environmentName)
  const close = nearest(name, names)
  throw new KeywrightError('ERR_BACKEND_UNKNOWN', 'the backend that is configured does not exist', {
    hint: `${close === undefined ? '' : `did you mean "${close}"? `}known: ${names.join(', ')}`,
    details: { known: names },
  })
}

/** Names of backends that this version can open. */
export function builtBackends(): string[] {
  return Object.values(BACKENDS)
    .filter(({ load }) => load !== undefined)
    .map(({ environmentName }) => environmentName)
}

function planProviders(
  stated: Readonly<Record<string, ProviderConfig>>,
  selected: SelectedBackend,
  options: OpenOptions,
  environment: Environment,
): PlannedProvider[] {
  const problems = aliasProblems(selected.backend.variables, environment)
  if (problems.length > 0) throw environmentInvalid(problems)
  const all = Object.hasOwn(stated, selected.instance)
    ? stated
    : { ...stated, [selected.instance]: { type: selected.backend.name, options: {} } }
  return Object.entries(all).map(([name, config]) => {
    const backend = findBackend(config.type)
    const isSelected = name === selected.instance
    const merged = mergeOptions(config.options, backend.variables, environment, isSelected)
    if (!isSelected || options.path === undefined) return { name, backend, ...merged }
    const path: Sourced<string> = { value: options.path, source: 'option' }
    return {
      name,
      backend,
      options: { ...merged.options, path: options.path },
      sources: { ...merged.sources, path },
    }
  })
}
