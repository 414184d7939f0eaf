/** What a re-encryption has left: ciphertexts under keys that do not encrypt any more, told by their prefix. */
import { eachKeyring } from '../../keys/lifecycle.ts'
import { viewKeyring } from '../../keys/states.ts'
import { keyringFor } from '../../policy/evaluate.ts'
import { parseKeyring } from '../../policy/keyring-name.ts'
import { keyIdIn } from '../values/prefix.ts'
import type { ValueParts } from '../values/reencrypt.ts'
import type { FlowData, FlowTask } from './messages.ts'
import { type OpenPlaces, selectPlaces } from './places.ts'

const PAGE_ROWS = 5_000

/** Counts them in the places of a flow. Throws what the sources throw. */
export async function countLeft(
  parts: ValueParts,
  places: OpenPlaces,
  { places: names, task }: FlowData,
): Promise<number> {
  const old = await oldKeys(parts, task)
  let left = 0
  for (const { columns, place } of selectPlaces(parts, task, names)) {
    const source = await places.source(place.name, task)
    for (let after: string | undefined, more = true; more; ) {
      const page = await source.read({ columns, after, limit: PAGE_ROWS })
      for (const { values } of page.rows)
        for (const value of values) if (value !== null && old.has(keyIdIn(value))) left++
      after = page.next
      more = after !== undefined
    }
  }
  return left
}

/** Keys that another one has replaced. */
async function oldKeys(
  { services }: ValueParts,
  { keyType, tenant }: FlowTask,
): Promise<ReadonlySet<number>> {
  const only = tenant === undefined ? undefined : keyringFor(services.policy, { keyType, tenant }).keyring
  const old = new Set<number>()
  for await (const records of eachKeyring(services, only)) {
    const [first] = records
    if (first === undefined || parseKeyring(first.keyring).keyType !== keyType) continue
    const view = viewKeyring(records, services.clock.now())
    for (const record of view.records) if (view.deactivatedAt(record) !== undefined) old.add(record.id)
  }
  return old
}
