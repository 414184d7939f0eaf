/** The places where ciphertexts live, as policy and environment name them. Nothing is opened here. */
import { KeywrightError } from '../errors.ts'
import type { ColumnPolicy, Policy, SourcePolicy } from '../policy/policy.ts'
import { tableInContext } from '../policy/sources.ts'
import { type Environment, variable } from './environment.ts'

/** What opens a source: the members of the policy that count, with the URL out of the environment. */
export interface SourceSettings {
  readonly type: string
  readonly name: string
  readonly url?: string
  readonly path?: string
  readonly table?: string
  readonly pattern?: string
  readonly key?: readonly string[]
}

/** A place with rows. */
interface PlannedRows {
  readonly kind: 'rows'
  readonly name: string
  readonly table?: string
  readonly columns: Readonly<Record<string, ColumnPolicy>>
  /** Asked for when the place is opened, so that a program that does not need it runs without. */
  settings(): SourceSettings
}

interface PlannedFolder {
  readonly kind: 'folder'
  readonly name: string
  readonly path: string
}

export type PlannedPlace = PlannedRows | PlannedFolder

/** The places of a policy. Their `settings` throw ERR_ENVIRONMENT_INVALID that names source and variable. */
export function planPlaces({ sources }: Pick<Policy, 'sources'>, environment: Environment): PlannedPlace[] {
  return Object.entries(sources).map(([name, source]): PlannedPlace => {
    if (source.type === 'folder') return { kind: 'folder', name, path: source.path ?? '' }
    const table = tableInContext(source)
    return {
      kind: 'rows',
      name,
      ...(table === undefined ? {} : { table }),
      columns: source.columns,
      settings: () => settingsOf(name, source, environment),
    }
  })
}

function settingsOf(name: string, source: SourcePolicy, environment: Environment): SourceSettings {
  const { columns: _, urlVariable, ...settings } = source
  return urlVariable === undefined
    ? { ...settings, name }
    : { ...settings, name, url: urlFrom(name, urlVariable, environment) }
}

function urlFrom(name: string, urlVariable: string, environment: Environment): string {
  const url = variable(environment, urlVariable)
  if (url !== undefined) return url
  throw new KeywrightError(
    'ERR_ENVIRONMENT_INVALID',
    `the source ${name} has its URL in the variable ${urlVariable}, which is not set`,
    {
      hint: `set ${urlVariable}, or name another one as "urlVariable" of sources.${name} in the policy document`,
      details: { source: name, variable: urlVariable },
    },
  )
}
