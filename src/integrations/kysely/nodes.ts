/** Kysely's operation nodes, as far as they are read here: frozen objects with a kind. Written against kysely 0.29. */

export interface Node {
  readonly kind: string
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Partial<Node>).kind === 'string'

/** A child by name. */
export function part(node: Node | undefined, name: string): Node | undefined {
  const value: unknown = node === undefined ? undefined : Reflect.get(node, name)
  return isNode(value) ? value : undefined
}

/** Children by name, of a member that is a list. */
export function parts(node: Node | undefined, name: string): readonly Node[] {
  const value: unknown = node === undefined ? undefined : Reflect.get(node, name)
  return Array.isArray(value) ? value.filter(isNode) : []
}

/** A member that is no node. */
export function member(node: Node | undefined, name: string): unknown {
  return node === undefined ? undefined : Reflect.get(node, name)
}

/** Every child of a node. */
export function children(node: Node): Node[] {
  return Object.values(node).flatMap((value: unknown) =>
    Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : [],
  )
}

/** A copy with other members. */
export function changed<N extends Node>(node: N, members: object): N {
  return Object.freeze({ ...node, ...members })
}

/** The name in an identifier, a column, or what holds one. */
export function nameOf(node: Node | undefined): string | undefined {
  if (node === undefined) return undefined
  if (node.kind === 'IdentifierNode') return member(node, 'name') as string
  if (node.kind === 'ColumnNode' || node.kind === 'ReferenceNode') return nameOf(part(node, 'column'))
  if (node.kind === 'TableNode') return nameOf(part(part(node, 'table'), 'identifier'))
  return undefined
}

/** The schema that a table is named with. */
export function schemaOf(table: Node | undefined): string | undefined {
  return nameOf(part(part(table, 'table'), 'schema'))
}

/** A node of a value that becomes a parameter. */
export const valueNode = (value: unknown): Node => Object.freeze({ kind: 'ValueNode', value })

/** A node that names a column. */
export const columnNode = (name: string): Node =>
  Object.freeze({ kind: 'ColumnNode', column: Object.freeze({ kind: 'IdentifierNode', name }) })

/** What stands within parentheses. */
export function bare(node: Node | undefined): Node | undefined {
  return node?.kind === 'ParensNode' ? bare(part(node, 'node')) : node
}
