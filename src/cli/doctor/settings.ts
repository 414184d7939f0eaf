/** Environment and policy document. */
import { BACKENDS, type Configuration } from '../../compose.ts'
import { readEnvironment, unknownVariables, VARIABLES } from '../../config/environment.ts'
import { KeywrightError } from '../../errors.ts'
import type { Call } from '../call.ts'
import { configuration } from '../opened.ts'
import { count } from '../text.ts'
import { type Finding, failed, findingOf, ok, warning } from './finding.ts'

export interface Settings {
  readonly findings: readonly Finding[]
  /** Undefined when it cannot be decided. */
  readonly configuration?: Configuration
}

export async function checkSettings(call: Call): Promise<Settings> {
  const environment = checkEnvironment(call)
  try {
    const decided = await configuration(call)
    const { policy, policySource, providers } = decided
    const names = providers.map(({ name, backend }) =>
      name === backend.name ? name : `${name} (${backend.name})`,
    )
    const types = `${count(Object.keys(policy.keyTypes).length, 'key type')}, ${count(policy.selectors.length, 'selector')}`
    return {
      configuration: decided,
      findings: [
        ...environment,
        ok('policy', `${policySource.value}: ${types}, mode ${policy.performanceMode}`),
        ok('backend', names.join(', ')),
      ],
    }
  } catch (error) {
    const told = environment.some(({ state }) => state === 'failed')
    const same = error instanceof KeywrightError && error.code === 'ERR_ENVIRONMENT_INVALID' && told
    return { findings: same ? environment : [...environment, findingOf('configuration', error)] }
  }
}

function checkEnvironment({ io }: Call): Finding[] {
  const backendVariables = Object.values(BACKENDS).flatMap(({ variables }) =>
    variables.flatMap((one) => one.variables),
  )
  const known = [...Object.keys(VARIABLES), ...backendVariables]
  const unknown = unknownVariables(io.env, known).map(({ name, nearest }) =>
    warning(
      'environment',
      `${name} is set, and nothing reads it`,
      nearest === undefined
        ? 'unset it; the README has a table of all variables'
        : `did you mean ${nearest}?`,
    ),
  )
  const set = Object.keys(io.env).filter((name) => known.includes(name))
  const problems = environmentProblems(io.env)
  if (problems.length > 0)
    return [...problems.map((problem) => failed('environment', problem, 'correct or unset it')), ...unknown]
  return [
    ok(
      'environment',
      set.length === 0
        ? 'no variable of Keywright is set'
        : `${count(set.length, 'variable')} set: ${set.join(', ')}`,
    ),
    ...unknown,
  ]
}

function environmentProblems(environment: Call['io']['env']): readonly string[] {
  try {
    readEnvironment(environment)
    return []
  } catch (error) {
    if (!(error instanceof KeywrightError)) throw error
    const { problems } = error.details
    return Array.isArray(problems) ? problems : [error.message]
  }
}
