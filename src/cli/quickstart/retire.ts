/** The end of an old key's life: its values move to the new key, a count finds none left, and it is destroyed. */
import { openSource } from '../../compose.ts'
import { KeywrightError } from '../../errors.ts'
import type { ColumnBinding, RowsPlace } from '../../jobs/places.ts'
import type { Keywright } from '../../keywright.ts'
import { count } from '../text.ts'
import type { ColumnChoice } from './columns.ts'
import type { Print } from './print.ts'

/** The example table as a place of ciphertexts; its columns are known once they were chosen. */
export class ExamplePlace implements RowsPlace {
  readonly kind = 'rows'
  readonly name = 'quickstart'
  readonly table: string
  readonly columns: Record<string, ColumnBinding> = {}
  readonly #path: string

  /** `path`: of the database. */
  constructor(path: string, table: string) {
    this.#path = path
    this.table = table
  }

  choose(choices: readonly ColumnChoice[]): void {
    for (const { column, keyType } of choices)
      if (keyType !== undefined) this.columns[column] = { keyType, row: 'row_number' }
  }

  open: RowsPlace['open'] = () =>
    openSource({ type: 'sqlite', name: this.name, path: this.#path, table: this.table })
}

/** Re-encrypts, counts, and destroys the keys of `keyType` that were replaced. */
export async function retireOldKeys({ jobs, keys }: Keywright, keyType: string, print: Print): Promise<void> {
  const started = performance.now()
  const { outcome, places } = await jobs.reencrypt({ keyTypes: [keyType], reason: 'quickstart' })
  if (outcome !== 'finished') throw new KeywrightError('ERR_INTERNAL', 'not every value was re-encrypted')
  const columns = Object.values(places[0]?.counts.columns ?? {})
  const moved = columns.reduce((sum, { done }) => sum + done, 0)
  const seconds = ((performance.now() - started) / 1000).toFixed(2)
  await print.step(`re-encrypted ${count(moved, 'value')} of ${keyType} under the new key in ${seconds} s`)
  const census = await jobs.census({ reason: 'quickstart' })
  await print.step('census, from the ciphertexts alone:')
  const old = (await keys.list({ keyring: keyType })).filter(({ state }) => state === 'deactivated')
  for (const { id, version } of old) {
    const left = census.keys.find(({ keyId }) => keyId === id)?.values ?? 0
    await print.line(`${keyType} version ${version} (key ${id}): ${count(left, 'value')}`)
    if (left > 0) throw new KeywrightError('ERR_INTERNAL', 'the census found values under an old key')
  }
  for (const { id, version } of old) {
    const { allowed, overridable, why } = await keys.destroyable(id)
    if (!allowed && !overridable) {
      await print.line(`key ${id} stays: ${why}`)
      continue
    }
    await keys.destroy(id, { override: { reason: 'quickstart: nobody else uses this folder' } })
    await print.step(`destroyed key ${id} (${keyType} version ${version}), for good`)
  }
  await print.line(
    '(elsewhere a key is kept for 30 days of grace, and the census has to stay empty that long)',
  )
}
