/** Values on their way into encrypted columns: those of INSERT, and the assignments of UPDATE and of conflicts. */
import type { EncryptedColumn } from '../shared/column.ts'
import { writtenRowId } from '../shared/row.ts'
import { bare, changed, columnNode, member, type Node, nameOf, part, parts, valueNode } from './nodes.ts'
import {
  conflictUnbound,
  notFromExpression,
  rowChanges,
  rowNotKnown,
  tokenGiven,
  unsupported,
} from './refusals.ts'
import type { Columns, Scope } from './scope.ts'
import { refuseOtherColumn, type Table } from './tables.ts'

/** A value of a VALUES list or an assignment; undefined when it is an expression. `isDefault`: the column's default. */
interface Given {
  readonly value?: unknown
  readonly isValue: boolean
  readonly isDefault?: boolean
}

/** The columns and values of an INSERT into a table with encrypted columns. */
export function insertedValues(
  insert: Node,
  table: Table,
): { columns: readonly Node[]; values: Node | undefined } {
  const columns = parts(insert, 'columns')
  const values = part(insert, 'values')
  const names = columns.map((column) => nameOf(column) ?? '')
  for (const name of names) {
    refuseOtherColumn(table, name)
    if (table.tokens.has(name)) throw tokenGiven(table.name, name)
  }
  if (values === undefined) return { columns, values }
  const touched = names.length === 0 || names.some((name) => table.columns.has(name))
  if (values.kind !== 'ValuesNode') {
    const [first] = table.columns.values()
    if (touched && first !== undefined) throw notFromExpression(first.name)
    return { columns, values }
  }
  const tokens = [...table.tokens].filter(([, { of }]) => names.includes(of))
  const rows = parts(values, 'values').map((row) => insertedRow(row, names, table, tokens))
  return {
    columns: [...columns, ...tokens.map(([name]) => columnNode(name))],
    values: changed(values, { values: Object.freeze(rows) }),
  }
}

type Tokens = readonly (readonly [
  string,
  { readonly of: string; readonly column: { tokenSync(value: string | null): unknown } },
])[]

function insertedRow(row: Node, names: readonly string[], table: Table, tokens: Tokens): Node {
  const isPrimitive = row.kind === 'PrimitiveValueListNode'
  const list = member(row, 'values') as readonly unknown[]
  const given = list.map(
    (item): Given => (isPrimitive ? { value: item, isValue: true } : givenBy(item as Node)),
  )
  const row_ = table.row === undefined ? undefined : given[names.indexOf(table.row)]
  const done: unknown[] = given.map((item, index) => {
    const column = table.columns.get(names[index] ?? '')
    if (column === undefined || item.isDefault) return list[index]
    if (!item.isValue) throw notFromExpression(column.name)
    const ciphertext = column.encryptSync(item.value, boundRow(table, column, item.value, row_))
    return isPrimitive ? ciphertext : valueNode(ciphertext)
  })
  for (const [, { of, column }] of tokens) {
    const source = given[names.indexOf(of)]
    const token = column.tokenSync((source?.value ?? null) as string | null)
    done.push(isPrimitive ? token : valueNode(token))
  }
  return changed(row, { values: Object.freeze(done) })
}

function givenBy(node: Node): Given {
  if (node.kind === 'ValueNode') return { value: member(node, 'value'), isValue: true }
  return { isValue: false, isDefault: node.kind === 'DefaultInsertValueNode' }
}

/** The row that a value is bound to; undefined when it is not, or when there is nothing to bind. */
function boundRow(
  table: Table,
  column: EncryptedColumn<unknown>,
  value: unknown,
  row: Given | undefined,
): string | undefined {
  if (table.row === undefined || value === null || value === undefined) return undefined
  if (row === undefined || !row.isValue) throw rowNotKnown(column.name, table.row)
  return writtenRowId(
    row.value,
    `column "${column.name}"`,
    `"${table.row}" is a non-empty string or an integer`,
    table.rowForm,
  )
}

/** The assignments of an UPDATE. `where` tells which row it is. */
export function updatedValues(
  update: Node,
  table: Table,
  target: Columns | undefined,
  scope: Scope,
): readonly Node[] {
  const updates = parts(update, 'updates')
  const [firstColumn] = table.columns.values()
  if (
    table.row !== undefined &&
    updates.some((one) => assigned(one) === table.row) &&
    firstColumn !== undefined
  )
    throw rowChanges(firstColumn.name, table.row)
  const row = { current: undefined as Given | undefined }
  return assignments(updates, table, (column, value) => {
    row.current ??= rowInWhere(part(part(update, 'where'), 'where'), target, scope)
    return boundRow(table, column, value, row.current)
  })
}

/** The assignments where an inserted row is in conflict with one that is there. */
export function conflictValues(conflict: Node, table: Table): readonly Node[] {
  const target = parts(conflict, 'columns').map(nameOf)
  const isSameRow = table.row !== undefined && target.length === 1 && target[0] === table.row
  const updates = parts(conflict, 'updates')
  for (const update of updates) {
    const name = assigned(update) ?? ''
    const column = table.columns.get(name)
    if (table.row === undefined || (column === undefined && name !== table.row)) continue
    const [any] = table.columns.values()
    if (column === undefined && any !== undefined) throw rowChanges(any.name, table.row)
    if (column !== undefined && !(isSameRow && isExcluded(update, name)))
      throw conflictUnbound(column.name, table.row)
  }
  return assignments(updates, table, () => undefined)
}

type RowFor = (column: EncryptedColumn<unknown>, value: unknown) => string | undefined

function assignments(updates: readonly Node[], table: Table, rowFor: RowFor): readonly Node[] {
  return Object.freeze(
    updates.flatMap((update) => {
      const name = assigned(update) ?? ''
      refuseOtherColumn(table, name)
      if (table.tokens.has(name) && !isExcluded(update, name)) throw tokenGiven(table.name, name)
      const column = table.columns.get(name)
      if (column === undefined) return [update]
      const tokens = [...table.tokens].filter(([, { of }]) => of === name)
      if (isExcluded(update, name)) return [update, ...tokens.map(([token]) => excluded(update, token))]
      const { value, isValue } = givenBy(part(update, 'value') ?? update)
      if (!isValue) throw notFromExpression(column.name)
      const ciphertext = column.encryptSync(value, rowFor(column, value))
      return [
        changed(update, { value: valueNode(ciphertext) }),
        ...tokens.map(([token, index]) =>
          changed(update, {
            column: columnNode(token),
            value: valueNode(index.column.tokenSync(value as string | null)),
          }),
        ),
      ]
    }),
  )
}

const assigned = (update: Node): string | undefined => nameOf(part(update, 'column'))

/** `column = excluded.column`: the ciphertext that was made for the inserted row. */
function isExcluded(update: Node, name: string): boolean {
  const value = bare(part(update, 'value'))
  return (
    value?.kind === 'ReferenceNode' && nameOf(part(value, 'table')) === 'excluded' && nameOf(value) === name
  )
}

function excluded(update: Node, token: string): Node {
  const value = bare(part(update, 'value')) as Node
  return changed(update, { column: columnNode(token), value: changed(value, { column: columnNode(token) }) })
}

/** The id in `WHERE id = …`, among conditions that all must hold. */
function rowInWhere(where: Node | undefined, target: Columns | undefined, scope: Scope): Given | undefined {
  const node = bare(where)
  if (node?.kind === 'AndNode') {
    return rowInWhere(part(node, 'left'), target, scope) ?? rowInWhere(part(node, 'right'), target, scope)
  }
  if (node?.kind !== 'BinaryOperationNode' || member(part(node, 'operator'), 'operator') !== '=')
    return undefined
  const left = bare(part(node, 'leftOperand'))
  const right = bare(part(node, 'rightOperand'))
  if (left?.kind !== 'ReferenceNode' || right?.kind !== 'ValueNode') return undefined
  const from = scope.rowsOf(left) // of the table that is updated, not of another one that is joined to it
  return from !== undefined && target?.rowIds.has(from) ? givenBy(right) : undefined
}

/** A statement on several tables, or one that decides by itself what it writes. */
export function refuseWrites(node: Node, scope: Scope, what: string): void {
  const table = node.kind === 'TableNode' ? scope.table(node) : undefined
  if (table !== undefined) throw unsupported(table.name, what)
  for (const value of Object.values(node) as unknown[]) {
    for (const child of Array.isArray(value) ? value : [value])
      if (typeof child === 'object' && child !== null && 'kind' in child)
        refuseWrites(child as Node, scope, what)
  }
}
