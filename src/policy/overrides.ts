/** Settings from outside the document (options, environment) that win over it. Which of them wins is compose's table. */
import { DEFAULT_PROVIDER, MODES } from './defaults.ts'
import { DAY_MS, LONGEST_DURATION_MS } from './duration.ts'
import type { Layer, PolicyLayers } from './layers.ts'
import { isProviderName, PROVIDER_NAME_HINT } from './names.ts'
import type { PerformanceMode } from './policy.ts'
import { type Problem, policyInvalid } from './problems.ts'

export interface PolicyOverrides {
  /** Whether keys rotate by themselves when due. Index keys (HMAC-SHA-256) are left alone: they need re-indexing. */
  readonly autoRotation?: boolean
  /** Rotation age of every key type that encrypts, in days. May not be longer than the max age of any of them. */
  readonly rotationIntervalDays?: number
  /** Takes the place of the document's mode; caches that the document states keep their values. */
  readonly performanceMode?: PerformanceMode
  /** Takes the place of the document's default provider; a key type that names its own keeps it. */
  readonly provider?: string
}

/** `layers` with `overrides` on top. Throws ERR_POLICY_INVALID for a value that is none; it is not repeated. */
export function applyOverrides(layers: PolicyLayers, overrides: PolicyOverrides): PolicyLayers {
  const problems = overrideProblems(overrides)
  if (problems.length > 0) throw policyInvalid(problems, 'the settings that override the policy')
  const { autoRotation, rotationIntervalDays, performanceMode, provider } = overrides
  return {
    ...layers,
    ...(performanceMode === undefined ? {} : { performanceMode }),
    ...(provider === undefined ? {} : { provider: { name: provider, origin: 'override' } }),
    overrides: rotationLayer(autoRotation, rotationIntervalDays),
  }
}

function rotationLayer(auto: boolean | undefined, days: number | undefined): Layer {
  return {
    values: {
      ...(auto === undefined ? {} : { 'rotation.auto': auto }),
      ...(days === undefined ? {} : { 'rotation.age': Math.round(days * DAY_MS) }),
    },
    paths: {
      ...(auto === undefined ? {} : { 'rotation.auto': 'autoRotation' }),
      ...(days === undefined ? {} : { 'rotation.age': 'rotationIntervalDays' }),
    },
  }
}

function overrideProblems(overrides: PolicyOverrides): Problem[] {
  const { rotationIntervalDays: days, performanceMode: mode, provider } = overrides
  const problems: Problem[] = []
  if (days !== undefined && !(days * DAY_MS >= 1 && days * DAY_MS <= LONGEST_DURATION_MS)) {
    problems.push({ path: 'rotationIntervalDays', what: 'expected a number of days above zero' })
  }
  if (mode !== undefined && !MODES.includes(mode)) {
    problems.push({ path: 'performanceMode', what: `expected one of ${MODES.join(', ')}` })
  }
  if (provider !== undefined && provider !== DEFAULT_PROVIDER && !isProviderName(provider)) {
    problems.push({ path: 'provider', what: PROVIDER_NAME_HINT })
  }
  return problems
}
