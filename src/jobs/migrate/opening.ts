/** Opens Keywright's ciphertexts in their place, for whoever verifies a migration or takes it back. */
import { parseCiphertext } from '../../crypto/ciphertext.ts'
import { codecFor } from '../../data/codecs.ts'
import { KeywrightError } from '../../errors.ts'
import type { Keyrings } from '../../keys/keyrings.ts'
import type { SourceRow } from '../../source.ts'
import type { KeyOwners } from '../values/key-owners.ts'
import { keyIdIn } from '../values/prefix.ts'
import { valueFailure } from '../values/value-errors.ts'
import { type MigratedColumn, placeOf } from './columns.ts'

/** The plaintext, or the code of why there is none. */
export type Opened = { readonly plaintext: Buffer } | { readonly failure: string }

export class Opening {
  readonly #rings: Keyrings
  readonly #owners: KeyOwners

  constructor(rings: Keyrings, owners: KeyOwners) {
    this.#rings = rings
    this.#owners = owners
  }

  /** Throws what keeps every value from being opened: a provider or a store that is down. */
  async open(column: MigratedColumn, row: SourceRow, value: string | Uint8Array): Promise<Opened> {
    try {
      const wire = parseCiphertext(value)
      const { keyring, rowId } = placeOf(column, row)
      await this.#owners.assertOwns(keyring.ring, keyIdIn(value))
      const plaintext = await this.#rings.open(keyring.ring, wire, keyring.aad(rowId)).catch((error) => {
        if (column.bound.binding.as !== undefined) throw error
        return this.#asJson(error, () => this.#rings.open(keyring.ring, wire, keyring.jsonAad(rowId)))
      })
      return { plaintext }
    } catch (error) {
      return { failure: valueFailure(error) }
    }
  }

  /** A value of `records()` whose type nobody declared is bound to being JSON. */
  async #asJson(error: unknown, open: () => Promise<Buffer>): Promise<Buffer> {
    if (error instanceof KeywrightError && error.code === 'ERR_DECRYPTION_FAILED') return open()
    throw error
  }
}

/** Whether `plaintext` is a value of the type that the column declares; any is where none is declared. */
export function isOfType({ bound }: MigratedColumn, plaintext: Buffer): boolean {
  const { as } = bound.binding
  if (as === undefined) return true
  try {
    codecFor(as).decode(plaintext)
    return true
  } catch {
    return false
  }
}
