/** One query with its values encrypted, and which columns of its result are to be decrypted. */
import { refusePlainComparison } from './comparison.ts'
import { bare, changed, children, member, type Node, nameOf, part, parts } from './nodes.ts'
import { notInExpression, notInSelection, rowNotSelected } from './refusals.ts'
import { Result } from './result.ts'
import { type Columns, columnsOf, type Encrypted, isAll, noColumns, Scope } from './scope.ts'
import type { Table } from './tables.ts'
import { conflictValues, insertedValues, refuseWrites, updatedValues } from './writes.ts'

export interface Rewritten<N extends Node> {
  readonly node: N
  readonly result: Columns
}

/** Rewrites a root node. Definitions of tables, raw SQL and what else is no query stay as they are. */
export function rewrite<N extends Node>(node: N, tables: ReadonlyMap<string, Table>): Rewritten<N> {
  const { node: done, columns } = query(node, new Scope(tables))
  for (const { column, from } of columns.encrypted.values()) {
    const { row } = from.table
    if (row !== undefined && !columns.rowIds.has(from)) throw rowNotSelected(column.name, row)
  }
  return { node: done, result: part(node, 'explain') === undefined ? columns : noColumns() }
}

interface Query<N extends Node> {
  readonly node: N
  readonly columns: Columns
}

function query<N extends Node>(node: N, scope: Scope): Query<N> {
  switch (node.kind) {
    case 'SelectQueryNode':
      return select(node, scope.inner())
    case 'InsertQueryNode':
      return insert(node, scope.inner())
    case 'UpdateQueryNode':
      return update(node, scope.inner())
    case 'DeleteQueryNode':
      return remove(node, scope.inner())
    case 'MergeQueryNode':
      refuseWrites(node, scope, 'MERGE is not supported')
      return { node, columns: noColumns() }
    default:
      return { node, columns: noColumns() }
  }
}

function select<N extends Node>(node: N, scope: Scope): Query<N> {
  const expressions = common(node, scope)
  for (const from of parts(part(node, 'from'), 'froms')) relate(from, scope)
  for (const join of parts(node, 'joins')) relate(part(join, 'table'), scope)
  const columns = selected(parts(node, 'selections'), scope)
  const [first] = columns.encrypted.values()
  const isDistinct = parts(node, 'frontModifiers').some((one) => member(one, 'modifier') === 'Distinct')
  const others = parts(node, 'setOperations').map((operation) =>
    query(bare(part(operation, 'expression')) ?? operation, scope),
  )
  const combined = [first, ...others.flatMap((other) => [...other.columns.encrypted.values()])].find(Boolean)
  if (combined !== undefined && (isDistinct || others.length > 0)) throw notInSelection(combined.column.name)
  for (const join of parts(node, 'joins')) inspect(part(join, 'on'), scope)
  const done = new Set(['with', 'from', 'joins', 'selections', 'setOperations', 'where'])
  inspect(part(node, 'where'), scope)
  // Sorting and grouping may name a result instead of a column.
  const results = scope.inner()
  results.relations.set('', { encrypted: columns.encrypted, rowIds: new Map() })
  for (const [name, value] of Object.entries(node)) if (!done.has(name)) inspectAll(value, results)
  return { node: changed(node, expressions), columns }
}

function insert<N extends Node>(node: N, scope: Scope): Query<N> {
  const expressions = common(node, scope)
  const into = part(node, 'into')
  const table = scope.table(into)
  if (table === undefined) {
    for (const name of ['values', 'onConflict', 'onDuplicateKey']) inspect(part(node, name), scope)
    return { node: changed(node, expressions), columns: returned(node, scope) }
  }
  scope.relations.set(nameOf(into) ?? table.name, columnsOf(table))
  const { columns, values } = insertedValues(node, table)
  if (values?.kind !== 'ValuesNode') inspect(values, scope.inner())
  const written = values === undefined ? {} : { columns: Object.freeze(columns), values }
  return {
    node: changed(node, { ...expressions, ...written, ...conflicts(node, table, scope) }),
    columns: returned(node, scope),
  }
}

/** What an INSERT does where the row is there already. */
function conflicts(node: Node, table: Table, outer: Scope): Record<string, Node> {
  const scope = outer.inner()
  scope.relations.set('excluded', columnsOf(table))
  const done: Record<string, Node> = {}
  for (const name of ['onConflict', 'onDuplicateKey']) {
    const conflict = part(node, name)
    if (conflict === undefined) continue
    for (const [key, value] of Object.entries(conflict)) if (key !== 'updates') inspectAll(value, scope)
    const updates = conflictValues(conflict, table)
    inspectUnassigned(updates, table, scope)
    if (updates.length > 0) done[name] = changed(conflict, { updates })
  }
  return done
}

function update<N extends Node>(node: N, scope: Scope): Query<N> {
  const expressions = common(node, scope)
  const target = part(node, 'table')
  if (target?.kind === 'ListNode') refuseWrites(target, scope, 'an UPDATE of several tables is not supported')
  const table = scope.table(target?.kind === 'AliasNode' ? part(target, 'node') : target)
  relate(target, scope)
  for (const from of parts(part(node, 'from'), 'froms')) relate(from, scope)
  for (const join of parts(node, 'joins')) relate(part(join, 'table'), scope)
  const updates =
    table === undefined
      ? parts(node, 'updates')
      : updatedValues(node, table, relationOf(target, scope), scope)
  inspectUnassigned(updates, table, scope)
  for (const join of parts(node, 'joins')) inspect(part(join, 'on'), scope)
  for (const name of ['where', 'orderBy', 'limit', 'top', 'endModifiers'])
    inspectAll(member(node, name), scope)
  return { node: changed(node, { ...expressions, updates }), columns: returned(node, scope) }
}

function remove<N extends Node>(node: N, scope: Scope): Query<N> {
  const expressions = common(node, scope)
  for (const from of parts(part(node, 'from'), 'froms')) relate(from, scope)
  for (const from of parts(part(node, 'using'), 'tables')) relate(from, scope)
  for (const join of parts(node, 'joins')) relate(part(join, 'table'), scope)
  for (const join of parts(node, 'joins')) inspect(part(join, 'on'), scope)
  for (const name of ['where', 'orderBy', 'limit', 'top', 'endModifiers'])
    inspectAll(member(node, name), scope)
  return { node: changed(node, expressions), columns: returned(node, scope) }
}

/** Registers the common table expressions of a query; those that write are rewritten. */
function common(node: Node, scope: Scope): { with?: Node } {
  const list = part(node, 'with')
  if (list === undefined) return {}
  const expressions = parts(list, 'expressions').map((one) => {
    const { node: inner, columns } = query(bare(part(one, 'expression')) ?? one, scope)
    const name = part(one, 'name')
    const [first] = columns.encrypted.values()
    if (first !== undefined && parts(name, 'columns').length > 0) throw notInSelection(first.column.name)
    scope.expressions.set(nameOf(part(name, 'table')) ?? '', columns)
    return changed(one, { expression: inner })
  })
  return { with: changed(list, { expressions: Object.freeze(expressions) }) }
}

/** What `relate` made of a table. */
const relationOf = (node: Node | undefined, scope: Scope): Columns | undefined =>
  scope.relations.get(nameOf(node?.kind === 'AliasNode' ? part(node, 'alias') : node) ?? '')

/** Makes a table or subquery in FROM known under its name. */
function relate(node: Node | undefined, scope: Scope): void {
  const isAlias = node?.kind === 'AliasNode'
  const inner = bare(isAlias ? part(node, 'node') : node)
  if (inner === undefined) return
  const name = isAlias ? nameOf(part(node, 'alias')) : nameOf(inner)
  if (inner.kind === 'TableNode') scope.relations.set(name ?? '', scope.columns(inner))
  else if (inner.kind === 'SelectQueryNode') scope.relations.set(name ?? '', query(inner, scope).columns)
  else if (inner.kind === 'ListNode') for (const item of parts(inner, 'items')) relate(item, scope)
  else inspect(inner, scope)
}

const returned = (node: Node, scope: Scope): Columns => {
  inspect(part(node, 'output'), scope)
  return selected(parts(part(node, 'returning'), 'selections'), scope)
}

/** What a list of selections gives. */
function selected(selections: readonly Node[], scope: Scope): Columns {
  const result = new Result()
  for (const item of selections) {
    const selection = part(item, 'selection')
    if (isAll(selection)) {
      for (const relation of scope.all(selection)) result.addAll(relation)
      continue
    }
    const isAlias = selection?.kind === 'AliasNode'
    const reference = bare(isAlias ? part(selection, 'node') : selection)
    const name = isAlias ? nameOf(part(selection, 'alias')) : nameOf(reference)
    if (reference === undefined) continue
    const isColumn = reference.kind === 'ReferenceNode' || reference.kind === 'ColumnNode'
    if (!isColumn) inspect(reference, scope, true)
    result.add(
      name,
      isColumn ? scope.encrypted(reference) : undefined,
      isColumn ? scope.rowsOf(reference) : undefined,
    )
  }
  return result.columns
}

/** Assignments other than to encrypted columns and tokens must not read encrypted ones. */
function inspectUnassigned(updates: readonly Node[], table: Table | undefined, scope: Scope): void {
  for (const one of updates) {
    const name = nameOf(part(one, 'column')) ?? ''
    if (table?.columns.has(name) !== true && table?.tokens.has(name) !== true)
      inspect(part(one, 'value'), scope)
  }
}

function inspectAll(value: unknown, scope: Scope): void {
  for (const one of Array.isArray(value) ? value : [value])
    if (typeof one === 'object' && one !== null && 'kind' in one) inspect(one as Node, scope)
}

/** Throws where an expression uses an encrypted column for more than to ask whether it is null. */
function inspect(node: Node | undefined, scope: Scope, inSelection = false): void {
  if (node === undefined || isNullTest(node) || isCount(node)) return
  refusePlainComparison(node, scope)
  if (node.kind === 'ReferenceNode' || node.kind === 'ColumnNode') {
    const found = isAll(node) ? undefined : scope.encrypted(node)
    if (found !== undefined) throw refuse(found, inSelection)
    return
  }
  if (
    node.kind === 'UnaryOperationNode' &&
    /exists/.test(String(member(part(node, 'operator'), 'operator')))
  ) {
    const operand = bare(part(node, 'operand'))
    if (operand?.kind === 'SelectQueryNode') query(operand, scope)
    else inspect(operand, scope, inSelection)
    return
  }
  if (node.kind === 'SelectQueryNode') {
    const [found] = query(node, scope).columns.encrypted.values()
    if (found !== undefined) throw refuse(found, inSelection)
    return
  }
  for (const child of children(node)) inspect(child, scope, inSelection)
}

const refuse = ({ column }: Encrypted, inSelection: boolean): Error =>
  inSelection ? notInSelection(column.name) : notInExpression(column.name)

/** `column IS NULL`, `column IS NOT NULL`: null is not encrypted. */
function isNullTest(node: Node): boolean {
  if (node.kind !== 'BinaryOperationNode') return false
  const operator = String(member(part(node, 'operator'), 'operator'))
  const right = part(node, 'rightOperand')
  const left = bare(part(node, 'leftOperand'))
  const isColumn = left?.kind === 'ReferenceNode' || left?.kind === 'ColumnNode'
  return (
    isColumn && /^is( not)?$/.test(operator) && right?.kind === 'ValueNode' && member(right, 'value') === null
  )
}

/** `count(column)` counts what is not null. */
function isCount(node: Node): boolean {
  return (
    node.kind === 'AggregateFunctionNode' &&
    member(node, 'func') === 'count' &&
    member(node, 'distinct') !== true &&
    parts(node, 'aggregated').every((one) => one.kind === 'ReferenceNode' || one.kind === 'SelectAllNode') &&
    part(node, 'filter') === undefined
  )
}
