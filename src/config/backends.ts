/** Which backend the configuration selects, and which provider instances there will be with which options. */
import { KeywrightError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import type { ProviderConfig } from '../policy/policy.ts'
import type { Backend } from '../provider.ts'
import { aliasProblems, from, mergeOptions, prefer, type Sourced } from './configuration.ts'
import { type Environment, environmentInvalid } from './environment.ts'

/** Backends by name. */
export type Backends = Readonly<Record<string, Backend>>

/** Provider instances as a policy document states them. */
type Stated = Readonly<Record<string, ProviderConfig>>

/** A provider instance as it will be made. */
export interface PlannedProvider {
  readonly name: string
  readonly backend: Backend
  readonly options: Readonly<Record<string, unknown>>
  readonly sources: Readonly<Record<string, Sourced<unknown>>>
}

/** The backend of the default provider instance, and who named it. */
export interface SelectedBackend {
  /** Name of the provider instance that is the default one. */
  readonly instance: string
  readonly backend: Backend
  readonly source: Sourced<string>['source']
}

/** By name ('aws-kms') or by its spelling in the environment ('aws_kms'). Throws ERR_BACKEND_UNKNOWN. */
function findBackend(backends: Backends, name: string): Backend {
  const backend = Object.values(backends).find((row) => row.name === name || row.environmentName === name)
  if (backend !== undefined) return backend
  const names = Object.values(backends).map((row) => row.environmentName)
  const close = nearest(name, names)
  throw new KeywrightError('ERR_BACKEND_UNKNOWN', 'the backend that is configured does not exist', {
    hint: `${close === undefined ? '' : `did you mean "${close}"? `}known: ${names.join(', ')}; correct ENCRYPTION_KEY_STORAGE_BACKEND, or "type" under "providers" of the policy document`,
    details: { known: names },
  })
}

/**
 * The backend that option or environment name, else the instance that the document prefers, else its first one. What
 * they name may be an instance of the document too.
 */
export function selectBackend(
  backends: Backends,
  option: string | undefined,
  environment: string | undefined,
  stated: Stated,
  preferred: string | undefined,
): SelectedBackend {
  const named = prefer(from('option', option), from('environment', environment))
  if (named !== undefined) return { ...instanceOf(backends, named.value, stated), source: named.source }
  const [first] = Object.keys(stated)
  const instance = preferred !== undefined && Object.hasOwn(stated, preferred) ? preferred : first
  const config = instance === undefined ? undefined : stated[instance]
  if (instance !== undefined && config !== undefined) {
    return { instance, backend: findBackend(backends, config.type), source: 'policy document' }
  }
  throw new KeywrightError('ERR_BACKEND_MISSING', 'no backend is configured: nobody holds the master key', {
    hint: 'run `keywright init`, or set ENCRYPTION_KEY_STORAGE_BACKEND (file for a start)',
  })
}

function instanceOf(
  backends: Backends,
  name: string,
  stated: Stated,
): Pick<SelectedBackend, 'instance' | 'backend'> {
  const own = Object.hasOwn(stated, name) ? stated[name] : undefined
  if (own !== undefined) return { instance: name, backend: findBackend(backends, own.type) }
  const backend = findBackend(backends, name)
  const instance = Object.entries(stated).find(([, { type }]) => findBackend(backends, type) === backend)?.[0]
  return { instance: instance ?? backend.name, backend }
}

/** The instances of the document and the selected one; `path` is an option that names the key file. */
export function planProviders(
  backends: Backends,
  stated: Stated,
  selected: SelectedBackend,
  path: string | undefined,
  environment: Environment,
): PlannedProvider[] {
  const problems = aliasProblems(selected.backend.variables, environment)
  if (problems.length > 0) throw environmentInvalid(problems)
  const all = Object.hasOwn(stated, selected.instance)
    ? stated
    : { ...stated, [selected.instance]: { type: selected.backend.name, options: {} } }
  return Object.entries(all).map(([name, config]) => {
    const backend = findBackend(backends, config.type)
    const isSelected = name === selected.instance
    const merged = mergeOptions(config.options, backend.variables, environment, isSelected)
    if (!isSelected || path === undefined) return { name, backend, ...merged }
    const given: Sourced<string> = { value: path, source: 'option' }
    return {
      name,
      backend,
      options: { ...merged.options, path },
      sources: { ...merged.sources, path: given },
    }
  })
}
