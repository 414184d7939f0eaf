/** Which of the configured backends is the selected one, and who selected it. */
import type { Configuration, PlannedProvider } from '../compose.ts'
import { from, prefer, type Sourced } from '../config/configuration.ts'
import { variable } from '../config/environment.ts'
import type { Call } from './call.ts'

const VARIABLE = 'ENCRYPTION_KEY_STORAGE_BACKEND'

export function selectedBackend(
  call: Call,
  { policySource, providers, selected }: Configuration,
): { readonly provider: PlannedProvider; readonly name: Sourced<string> } {
  const named = prefer(
    from('option', call.global.text('backend'), '--backend'),
    from('environment', variable(call.io.env, VARIABLE), VARIABLE),
  )
  const provider = providers.find(({ name }) => name === selected) as PlannedProvider
  return {
    provider,
    name: named ?? {
      value: provider.backend.environmentName,
      source: 'policy document',
      from: policySource.value,
    },
  }
}
