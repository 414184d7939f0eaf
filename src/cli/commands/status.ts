/**
 * `status`: health, and how the wraps of all keys stand. Exit code 1 when a check failed, and when there are keys that
 * no configured provider opens.
 */
import type { WrapStatus } from '../../keys/wrap-status.ts'
import type { Call } from '../call.ts'
import { withKeywright } from '../opened.ts'
import { type Cell, count } from '../text.ts'
import { healthTable } from './check.ts'

export async function status(call: Call): Promise<number> {
  const { output } = call
  return withKeywright({ ...call, output: output.silenced() }, async (keywright) => {
    // Both ask every provider: at once, one that hangs costs one deadline.
    const [health, wraps] = await Promise.all([keywright.check(), keywright.keys.wrapStatus()])
    const text = `${healthTable(call, health)}\n${wrapTable(call, wraps)}`
    await output.result({ ...health, wraps }, text)
    const shut = wraps.filter(({ code, only }) => code === 'ERR_PROVIDER_UNKNOWN' && only > 0)
    for (const { only, provider } of shut) await output.warn(...shutText(only, provider))
    for (const line of advice(wraps)) await output.note(line)
    return health.state === 'failed' || shut.length > 0 ? 1 : 0
  })
}

/** Nobody who is configured opens these keys. */
const shutText = (keys: number, provider: string): [message: string, hint: string] => [
  `${count(keys, 'key')} can be opened by "${provider}" alone, which is not configured`,
  `add "${provider}" under "providers" of the policy document, or select it with ENCRYPTION_KEY_STORAGE_BACKEND`,
]

function wrapTable({ output }: Call, wraps: readonly WrapStatus[]): string {
  const columns = [
    { title: 'provider' },
    { title: 'master key version' },
    { title: 'wraps', align: 'right' as const },
    { title: 'stale', align: 'right' as const },
    { title: 'missing', align: 'right' as const },
    { title: 'only here', align: 'right' as const },
  ]
  const rows = wraps.map((row) => [
    row.provider,
    row.masterKey?.version ?? { text: row.code ?? '', style: 'red' as const },
    String(row.wraps),
    row.stale === undefined ? '?' : flagged(row.stale),
    flagged(row.missing),
    String(row.only),
  ])
  return output.table(columns, rows)
}

const flagged = (number: number): Cell => ({ text: String(number), style: number > 0 ? 'yellow' : 'plain' })

function advice(wraps: readonly WrapStatus[]): string[] {
  const stale = wraps.reduce((sum, row) => sum + (row.stale ?? 0), 0)
  const missing = wraps.reduce((sum, row) => sum + row.missing, 0)
  const waiting = wraps.filter(
    ({ code, only }) => code !== undefined && code !== 'ERR_PROVIDER_UNKNOWN' && only > 0,
  )
  return [
    ...waiting.map(
      ({ code, only, provider }) =>
        `${count(only, 'key')} can be opened by ${provider} alone, which fails now (${code})`,
    ),
    ...(stale > 0 ? [`${count(stale, 'wrap')} under an older master key version: keywright rewrap`] : []),
    ...(missing > 0
      ? [`${count(missing, 'wrap')} that the policy wants and nobody made: keywright repair`]
      : []),
  ]
}
