/** Which key type the values of a declared column are of. */
import type { Policy } from './policy.ts'
import { selectKeyType } from './selectors.ts'

/** A column as it is declared. */
export interface DeclaredColumn {
  readonly keyType?: string | undefined
  /** The table in the context; null for none. */
  readonly table?: string | null | undefined
  /** The column in the context; null for none. */
  readonly column?: string | null | undefined
}

/** Table and column as they stand in the context of its values. */
export function contextOfColumn(
  place: { readonly name: string; readonly table?: string | undefined },
  name: string,
  { column, table }: DeclaredColumn,
): { readonly table: string | undefined; readonly column: string | undefined } {
  return {
    table: table === null ? undefined : (table ?? place.table ?? place.name),
    column: column === null ? undefined : (column ?? name),
  }
}

/** The path that selectors match. */
export function pathOfColumn(
  place: { readonly name: string; readonly table?: string | undefined },
  name: string,
  declared: DeclaredColumn,
): string {
  const { column, table } = contextOfColumn(place, name, declared)
  return [table, column ?? name].filter((part) => part !== undefined).join('.')
}

/** The key type that is declared, else that of the selectors; undefined when none matches. */
export function keyTypeOfColumn(
  policy: Policy,
  place: { readonly name: string; readonly table?: string | undefined },
  name: string,
  declared: DeclaredColumn,
): string | undefined {
  return declared.keyType ?? selectKeyType(policy, pathOfColumn(place, name, declared))?.keyType
}
