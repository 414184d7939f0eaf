/**
 * Which keyring the keys of stored values belong to. A damaged or foreign column may name any number of keys that do
 * not exist: each is looked up once, and they are bounded in memory.
 */
import type { Keyring } from '../../keys/keyring.ts'
import { otherKeyring, unknownKey } from '../../keys/refusals.ts'
import type { KeyStore } from '../../store.ts'

const MAX_REMEMBERED = 10_000

export class KeyOwners {
  readonly #store: KeyStore
  /** Keys that are not of the keyring where they were met: the keyring they are of, or none. */
  readonly #strangers = new Map<number, string | undefined>()

  constructor(store: KeyStore) {
    this.#store = store
  }

  /** Asserts that `id` is a key of `ring`. Throws ERR_KEY_UNKNOWN and ERR_KEYRING_MISMATCH. */
  async assertOwns(ring: Keyring, id: number): Promise<void> {
    if (ring.records.byId(id) !== undefined) return
    if (!this.#strangers.has(id)) {
      const owner = (await this.#store.get(id))?.keyring
      if (owner === ring.name) return ring.records.refreshAfterWrite() // made after the keyring was read
      if (this.#strangers.size >= MAX_REMEMBERED) this.#strangers.clear()
      this.#strangers.set(id, owner)
    }
    throw this.#strangers.get(id) === undefined ? unknownKey(id) : otherKeyring(ring.name, id)
  }
}
