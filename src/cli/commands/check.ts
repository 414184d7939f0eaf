/** `check`: health. */
import type { Health, HealthState } from '../../keys/health.ts'
import type { Call } from '../call.ts'
import { withKeywright } from '../opened.ts'
import type { Style } from '../text.ts'

const STYLES: Readonly<Record<HealthState, Style>> = { ok: 'green', degraded: 'yellow', failed: 'red' }

export async function check(call: Call): Promise<number> {
  const { output } = call
  // What would be warned of is in the notes.
  return withKeywright({ ...call, output: output.silenced() }, async (keywright) => {
    const health = await keywright.check()
    await output.result(health, healthTable(call, health))
    return health.state === 'failed' ? 1 : 0
  })
}

export function healthTable({ output }: Call, health: Health): string {
  const rows = health.checks.map(({ component, name, state, notes }) => [
    { text: state, style: STYLES[state] },
    component,
    name,
    notes.join('; '),
  ])
  return output.table([{ title: 'state' }, { title: 'what' }, { title: 'name' }, { title: 'notes' }], rows)
}
