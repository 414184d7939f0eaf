/** From the declared binding of a column and one of its rows to the keyring and the AAD of the value there. */
import { bindPlace, placeContext } from '../../data/binding.ts'
import { KeywrightError } from '../../errors.ts'
import type { Keyring } from '../../keys/keyring.ts'
import type { Keyrings } from '../../keys/keyrings.ts'
import { contextOfColumn, keyTypeOfColumn, pathOfColumn } from '../../policy/column-key-type.ts'
import { keyringFor } from '../../policy/evaluate.ts'
import type { KeyTypePolicy, Policy } from '../../policy/policy.ts'
import { unmatchedFieldHint } from '../../policy/selectors.ts'
import type { SourceRow } from '../../source.ts'
import type { ColumnBinding, RowsPlace } from '../places.ts'

/** Tenants whose keyrings are remembered; then all are forgotten and looked up again. */
const MAX_TENANTS = 10_000

/** A column under one keyring: what its values are bound to but for the row. */
export interface BoundKeyring {
  readonly ring: Keyring
  /** The context without row, for whoever computes AADs elsewhere. */
  readonly context: Readonly<Record<string, string>>
  /** The AAD of a value whose type is declared, or that is a string. */
  readonly aad: (row: string | undefined) => Buffer
  /** The AAD of a value of `records()` that is no string and whose type was not declared: docs/format.md section 2. */
  readonly jsonAad: (row: string | undefined) => Buffer
}

/** One encrypted column of a place. */
export interface BoundColumn {
  readonly name: string
  /** Where it stands in `reads`. */
  readonly at: number
  readonly binding: ColumnBinding
  readonly keyType: string
  readonly policy: KeyTypePolicy
  /** Throws ERR_TENANT_INVALID for the tenant that stands in the row. */
  keyringOf(row: SourceRow): BoundKeyring
  /** The row's id in the context; undefined for values that are not bound to rows. Throws ERR_CONTEXT_INVALID. */
  rowIdOf(row: SourceRow): string | undefined
}

/** The encrypted columns of a place, and all columns that have to be read for them. */
export interface BoundColumns {
  /** The encrypted columns, then those that name row and tenant. */
  readonly reads: readonly string[]
  readonly columns: readonly BoundColumn[]
}

/**
 * Binds columns of a place, all of them unless told which. Throws ERR_FIELD_UNMATCHED, ERR_KEY_TYPE_UNKNOWN and
 * ERR_CONTEXT_INVALID for a column that is declared wrongly.
 */
export function bindColumns(
  { policy, rings }: { readonly policy: Policy; readonly rings: Keyrings },
  place: Pick<RowsPlace, 'name' | 'table' | 'columns'>,
  names: readonly string[] = Object.keys(place.columns),
): BoundColumns {
  const bindings = names.map((name) => [name, place.columns[name] ?? {}] as const)
  const beside = bindings.flatMap(([, { row, tenant }]) => [row, tenant]).filter((name) => name !== undefined)
  const reads = [...new Set([...names, ...beside])]
  const columns = bindings.map(([name, binding]) => {
    const keyType = keyTypeOf(policy, place, name)
    return new Bound(policy, rings, place, { name, at: reads.indexOf(name), binding, keyType, reads })
  })
  return { reads, columns }
}

/** Asserts that no column stands for two things: an encrypted one and tokens, or two kinds of tokens. Throws ERR_CONFIG_INVALID. */
export function assertDistinct(place: string, names: readonly string[]): void {
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice === undefined) return
  throw new KeywrightError('ERR_CONFIG_INVALID', `column "${twice}" of "${place}" is declared twice`, {
    hint: 'each index has a column of its own, beside the encrypted one',
    details: { place, column: twice },
  })
}

/** The key type of a column. Throws ERR_FIELD_UNMATCHED and ERR_KEY_TYPE_UNKNOWN. */
export function keyTypeOf(
  policy: Policy,
  place: Pick<RowsPlace, 'name' | 'table' | 'columns'>,
  name: string,
): string {
  const binding = place.columns[name] ?? {}
  const keyType = keyTypeOfColumn(policy, place, name, binding)
  if (keyType === undefined) {
    const path = pathOfColumn(place, name, binding)
    throw new KeywrightError(
      'ERR_FIELD_UNMATCHED',
      `column "${name}" of "${place.name}": no selector of the policy matches "${path}"`,
      {
        hint: `give the column its "keyType"; ${unmatchedFieldHint(policy, path)}`,
        details: { place: place.name, column: name },
      },
    )
  }
  return keyType
}

interface About {
  readonly name: string
  readonly at: number
  readonly binding: ColumnBinding
  readonly keyType: string
  readonly reads: readonly string[]
}

class Bound implements BoundColumn {
  readonly name: string
  readonly at: number
  readonly binding: ColumnBinding
  readonly keyType: string
  readonly policy: KeyTypePolicy
  readonly #policy: Policy
  readonly #rings: Keyrings
  readonly #place: Pick<RowsPlace, 'name' | 'table'>
  readonly #rowAt: number
  readonly #tenantAt: number
  readonly #only: BoundKeyring | undefined
  readonly #byTenant = new Map<string | undefined, BoundKeyring>()

  constructor(
    policy: Policy,
    rings: Keyrings,
    place: Pick<RowsPlace, 'name' | 'table'>,
    { name, at, binding, keyType, reads }: About,
  ) {
    this.name = name
    this.at = at
    this.binding = binding
    this.keyType = keyType
    this.#policy = policy
    this.#rings = rings
    this.#place = place
    this.#rowAt = binding.row === undefined ? -1 : reads.indexOf(binding.row)
    this.#tenantAt = binding.tenant === undefined ? -1 : reads.indexOf(binding.tenant)
    const { context = {} } = binding
    placeContext(keyType, { context }) // refuses what may not stand in a context before anything is read
    this.#only = this.#tenantAt < 0 ? this.#bind(undefined) : undefined
    this.policy = (this.#only?.ring.policy ?? policy.keyTypes[keyType]) as KeyTypePolicy
  }

  keyringOf(row: SourceRow): BoundKeyring {
    if (this.#only !== undefined) return this.#only
    const tenant = this.#tenantOf(row)
    const known = this.#byTenant.get(tenant)
    if (known !== undefined) return known
    const bound = this.#bind(tenant)
    if (this.#byTenant.size >= MAX_TENANTS) this.#byTenant.clear()
    this.#byTenant.set(tenant, bound)
    return bound
  }

  rowIdOf(row: SourceRow): string | undefined {
    if (this.#rowAt < 0) return undefined
    const id = row.values[this.#rowAt]
    if (typeof id === 'string' && id !== '') return id
    throw new KeywrightError('ERR_CONTEXT_INVALID', `a row of "${this.#place.name}" has no usable row id`, {
      hint: 'the column that "row" names holds the text or the number that was given when the value was encrypted',
    })
  }

  /** Null is no tenant, as it was when the application encrypted the value. */
  #tenantOf(row: SourceRow): string | undefined {
    const tenant = row.values[this.#tenantAt] ?? undefined
    if (tenant === undefined || typeof tenant === 'string') return tenant
    throw new KeywrightError('ERR_TENANT_INVALID', `a row of "${this.#place.name}" has no usable tenant`, {
      hint: 'the column that "tenant" names holds text',
    })
  }

  #bind(tenant: string | undefined): BoundKeyring {
    const request = { keyType: this.keyType, ...(tenant === undefined ? {} : { tenant }) }
    const { keyring } = keyringFor(this.#policy, request)
    const { table, column } = contextOfColumn(this.#place, this.name, this.binding)
    const context = placeContext(keyring, { table, column, context: this.binding.context })
    return {
      ring: this.#rings.get(keyring),
      context,
      aad: bindPlace(context),
      jsonAad: bindPlace({ ...context, as: 'json' }),
    }
  }
}
