/** The places of this process as workers use them: opened when a range of theirs comes, closed with the worker. */
import { keyringFor } from '../../policy/evaluate.ts'
import { parseKeyring } from '../../policy/keyring-name.ts'
import type { Source } from '../../source.ts'
import type { ValueParts } from '../values/reencrypt.ts'
import { ReencryptTask } from '../values/reencrypt-task.ts'
import { type SelectedRows, selectColumns } from '../values/selection.ts'
import type { ValueTask } from '../values/task.ts'
import type { FlowTask } from './messages.ts'

type Scope = Pick<FlowTask, 'keyType' | 'tenant'>

/** The columns of this key type in the places named, else in all. Throws ERR_SOURCE_UNKNOWN, ERR_KEY_TYPE_UNKNOWN. */
export function selectPlaces(
  { places, services: { policy } }: ValueParts,
  { keyType }: Scope,
  names?: readonly string[],
): readonly SelectedRows[] {
  const named = names === undefined ? {} : { places: names }
  return selectColumns(policy, places, { keyTypes: [keyType], ...named }).rows
}

/** How many re-encryptions a worker remembers. */
const MAX_FLOWS = 1_000

export class OpenPlaces {
  readonly #parts: ValueParts
  readonly #open = new Map<string, Promise<Source>>()
  readonly #met = new Set<string>()

  constructor(parts: ValueParts) {
    this.#parts = parts
  }

  /** The source of a place, shared by all who ask. Throws ERR_SOURCE_UNKNOWN and what opening it throws. */
  source(name: string, scope: Scope): Promise<Source> {
    const known = this.#open.get(name)
    if (known !== undefined) return known
    const opening = this.#select(name, scope).place.open()
    this.#open.set(name, opening)
    opening.catch(() => this.#open.delete(name))
    return opening
  }

  /** The re-encryption of one place. Throws ERR_SOURCE_UNKNOWN, ERR_KEY_TYPE_UNKNOWN, ERR_TENANT_INVALID. */
  task(name: string, scope: Scope): ValueTask {
    const { rings, services } = this.#parts
    const { keyType, tenant } = scope
    const { columns, place } = this.#select(name, scope)
    const keyrings =
      tenant === undefined ? undefined : [keyringFor(services.policy, { keyType, tenant }).keyring]
    return new ReencryptTask({ services, rings, place, columns, keyrings })
  }

  /**
   * A keyring that was read before the re-encryption began may not know the key for which it was begun: it is read
   * again, once for each re-encryption.
   */
  async meet(flow: string, { keyType }: Scope): Promise<void> {
    if (this.#met.has(flow)) return
    for (const ring of this.#parts.rings.loaded) {
      if (parseKeyring(ring.name).keyType === keyType) await ring.records.refreshAfterWrite()
    }
    if (this.#met.size >= MAX_FLOWS) this.#met.clear()
    this.#met.add(flow)
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#open.values())
    this.#open.clear()
    for (const one of opened) if (one.status === 'fulfilled') await one.value.close?.()
  }

  #select(name: string, scope: Scope): SelectedRows {
    const [found] = selectPlaces(this.#parts, scope, [name])
    return found as SelectedRows
  }
}
