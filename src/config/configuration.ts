/**
 * What the program is configured to do, with where each value came from. Precedence: explicit options, then the
 * environment, then the policy document, then the default.
 */
import { dirname, join } from 'node:path'
import type { ProviderVariable } from '../provider.ts'
import { type Environment, variable } from './environment.ts'
import { type EffectiveSetting, MASKED, type Source } from './setting.ts'

/** A value and where it came from. */
export interface Sourced<T> {
  readonly value: T
  readonly source: Source
  readonly from?: string
}

/** The first that is set, in order of precedence. */
export function prefer<T>(...candidates: readonly (Sourced<T> | undefined)[]): Sourced<T> | undefined {
  return candidates.find((candidate) => candidate !== undefined)
}

/** A candidate, when there is a value. */
export function from<T>(source: Source, value: T | undefined, at?: string): Sourced<T> | undefined {
  return value === undefined ? undefined : { value, source, ...(at === undefined ? {} : { from: at }) }
}

/**
 * The options of one provider instance: what the document says, overlaid by the environment for the instance that
 * the environment selects, filled up by the environment for others.
 */
export function mergeOptions(
  stated: Readonly<Record<string, unknown>>,
  variables: readonly ProviderVariable[],
  environment: Environment,
  environmentWins: boolean,
): { options: Record<string, unknown>; sources: Record<string, Sourced<unknown>> } {
  const sources: Record<string, Sourced<unknown>> = {}
  for (const [option, value] of Object.entries(stated)) sources[option] = { value, source: 'policy document' }
  for (const row of variables) {
    const names = environmentWins ? row.variables : row.variables.filter((one) => !isOfSelected(one))
    const name = names.find((candidate) => variable(environment, candidate) !== undefined)
    const value = name === undefined ? undefined : variable(environment, name)
    const isStated = Object.hasOwn(stated, row.option)
    if (value !== undefined && (environmentWins || !isStated)) {
      sources[row.option] = { value, source: 'environment', ...(name === undefined ? {} : { from: name }) }
    }
  }
  for (const row of variables) {
    if (sources[row.option] !== undefined) continue
    const lower = standardValue(row, environment, (option) => sources[option] !== undefined)
    if (lower !== undefined) sources[row.option] = lower
  }
  const options = Object.fromEntries(Object.entries(sources).map(([option, { value }]) => [option, value]))
  return { options, sources }
}

/** ENCRYPTION_KEY_ID and its like are about the selected instance; another one has a master key of its own. */
const isOfSelected = (name: string): boolean => name.startsWith('ENCRYPTION_KEY_')

/** What the service's own variables say, else the default. */
function standardValue(
  row: ProviderVariable,
  environment: Environment,
  isSet: (option: string) => boolean,
): Sourced<unknown> | undefined {
  for (const name of row.yieldsTo?.some(isSet) ? [] : (row.standard ?? [])) {
    const value = variable(environment, name)
    if (value !== undefined) return { value, source: 'environment', from: name }
  }
  return row.default === undefined ? undefined : { value: row.default, source: 'default' }
}

/** Aliases that are set to different values: a problem, because which one counts would be a guess. */
export function aliasProblems(variables: readonly ProviderVariable[], environment: Environment): string[] {
  return variables.flatMap(({ variables: names }) => {
    const set = names.filter((name) => variable(environment, name) !== undefined)
    const values = new Set(set.map((name) => variable(environment, name)))
    return values.size > 1 ? [`${set.join(' and ')} differ: they are two names of one setting`] : []
  })
}

/** Store and audit log stand beside the key file unless somebody says otherwise. */
export function besideKeyFile(path: string | undefined): { storeUrl: string; auditPath: string } {
  const folder = dirname(path ?? '.keywright/master.keys')
  return { storeUrl: `sqlite:${join(folder, 'keys.db')}`, auditPath: join(folder, 'audit.jsonl') }
}

/** A row for `config`. */
export function describeSetting(
  name: string,
  sourced: Sourced<unknown> | undefined,
  secret = false,
): EffectiveSetting {
  if (sourced === undefined) return { name }
  return {
    name,
    value: secret ? MASKED : String(sourced.value),
    source: sourced.source,
    ...(sourced.from === undefined ? {} : { from: sourced.from }),
  }
}

/** A row for a secret variable: whether it is set, never what it is. */
export function describeSecret(name: string, environment: Environment): EffectiveSetting {
  const set = variable(environment, name) !== undefined
  return set ? { name, value: MASKED, source: 'environment', from: name } : { name }
}
