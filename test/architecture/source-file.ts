/** Reads what the rules need from the syntax tree of one TypeScript file. */
import { posix } from 'node:path'
import { parseAst } from 'vitest/node'

/** `value` is loaded with the file, `type` is erased, `dynamic` is loaded when the code gets there. */
type ImportKind = 'value' | 'type' | 'dynamic'

interface Import {
  readonly specifier: string
  readonly kind: ImportKind
  /** The path from the repository's root for a relative specifier, else undefined. */
  readonly path: string | undefined
}

export interface SourceFile {
  readonly path: string
  readonly lines: number
  readonly imports: readonly Import[]
  /** Which of `process` and `console` the code names. */
  readonly ambient: ReadonlySet<string>
}

interface Node {
  readonly type: string
  readonly [member: string]: unknown
}

const AMBIENT = new Set(['process', 'console'])
/** Here a non-computed `key` or `property` is a name and no reference. */
const NAMING = new Map([
  ['MemberExpression', 'property'],
  ['Property', 'key'],
  ['MethodDefinition', 'key'],
  ['PropertyDefinition', 'key'],
  ['TSPropertySignature', 'key'],
  ['TSMethodSignature', 'key'],
])

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'

/** Calls `visit` for the node and all below it, with the parent and the member that holds the node. */
function walk(node: Node, visit: (node: Node, parent?: Node, member?: string) => void): void {
  const inner = (current: Node, parent?: Node, member?: string): void => {
    visit(current, parent, member)
    for (const [key, value] of Object.entries(current)) {
      for (const child of Array.isArray(value) ? value : [value])
        if (isNode(child)) inner(child, current, key)
    }
  }
  inner(node)
}

/** The text of a string literal or of a template without holes. */
function textOf(source: unknown): string | undefined {
  if (!isNode(source)) return undefined
  if (typeof source['value'] === 'string') return source['value']
  const quasis = source['quasis']
  if (!Array.isArray(quasis) || quasis.length !== 1) return undefined
  return (quasis[0] as { value: { cooked: string } }).value.cooked
}

function importKind(node: Node): ImportKind | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
      return node['importKind'] === 'type' ? 'type' : 'value'
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
      return node['exportKind'] === 'type' ? 'type' : 'value'
    case 'TSImportType':
      return 'type'
    case 'ImportExpression':
      return 'dynamic'
    default:
      return undefined
  }
}

function ambientName(node: Node, parent?: Node, member?: string): string | undefined {
  if (node.type !== 'Identifier' || !AMBIENT.has(String(node['name']))) return undefined
  const name = String(node['name'])
  const named = parent !== undefined && NAMING.get(parent.type) === member && parent['computed'] !== true
  if (!named) return name
  const object = parent['object']
  return isNode(object) && object['name'] === 'globalThis' ? name : undefined
}

/** `path` is relative to the repository's root, with slashes. Throws when the text does not parse. */
export function readSource(path: string, text: string): SourceFile {
  const imports: Import[] = []
  const ambient = new Set<string>()
  walk(parseAst(text, { lang: 'ts', sourceType: 'module' }) as unknown as Node, (node, parent, member) => {
    const kind = importKind(node)
    const specifier = kind === undefined ? undefined : textOf(node['source'])
    if (kind !== undefined && specifier !== undefined) {
      const relative = specifier.startsWith('.')
      imports.push({
        specifier,
        kind,
        path: relative ? posix.join(posix.dirname(path), specifier) : undefined,
      })
      const bare = specifier.replace(/^node:/, '')
      if (AMBIENT.has(bare)) ambient.add(bare)
    }
    const name = ambientName(node, parent, member)
    if (name !== undefined) ambient.add(name)
  })
  return { path, lines: text.split('\n').length - 1, imports, ambient }
}
