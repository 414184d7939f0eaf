/** Comparisons with columns of search tokens: a plain value would find nothing, and stand in the database's logs. */
import { bare, member, type Node, nameOf, part, parts } from './nodes.ts'
import { notAToken } from './refusals.ts'
import type { Scope } from './scope.ts'

const isTokenOrNull = (value: unknown): boolean =>
  value === null || (typeof value === 'string' && value.startsWith('kwi1.'))

/** Throws where a column of tokens is compared with a value that is none. */
export function refusePlainComparison(node: Node, scope: Scope): void {
  if (node.kind !== 'BinaryOperationNode') return
  const sides = [bare(part(node, 'leftOperand')), bare(part(node, 'rightOperand'))]
  const column = sides.find((side) => side?.kind === 'ReferenceNode' && scope.isToken(side))
  if (column === undefined) return
  const values = sides.flatMap((side) => (side === undefined || side === column ? [] : valuesOf(side)))
  if (!values.every(isTokenOrNull)) throw notAToken(nameOf(column) ?? '')
}

function valuesOf(node: Node): readonly unknown[] {
  if (node.kind === 'ValueNode') return [member(node, 'value')]
  if (node.kind === 'PrimitiveValueListNode') return member(node, 'values') as readonly unknown[]
  return node.kind === 'ValueListNode' ? parts(node, 'values').flatMap(valuesOf) : []
}
