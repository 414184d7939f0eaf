/** What the tests of the documents take out of them. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')

/** Every document of the repository, by its path from the root. */
export const DOCUMENTS: readonly string[] = globSync(
  ['*.md', 'docs/**/*.md', 'bench/*.md', 'localstack/*.md'],
  {
    cwd: ROOT,
  },
).sort()

export const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

/** A fenced block of a document. */
export interface Block {
  readonly document: string
  /** Where it begins, from 1. */
  readonly line: number
  readonly language: string
  readonly text: string
}

/** The fenced blocks of a document, also those within a list, without the indentation of the fence. */
export function blocksOf(document: string): Block[] {
  const blocks: Block[] = []
  let open: { readonly line: number; readonly language: string; readonly indent: string } | undefined
  let lines: string[] = []
  for (const [index, line] of textOf(document).split('\n').entries()) {
    const fence = /^( *)```(\w*)$/.exec(line)
    if (open === undefined) {
      if (fence !== null) open = { line: index + 1, language: fence[2] ?? '', indent: fence[1] ?? '' }
    } else if (fence !== null) {
      blocks.push({ document, line: open.line, language: open.language, text: `${lines.join('\n')}\n` })
      open = undefined
      lines = []
    } else lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line)
  }
  if (open !== undefined) throw new Error(`${document}: the block of line ${open.line} has no end`)
  return blocks
}

/** The text of a document without its fenced blocks. */
export function proseOf(document: string): string {
  return textOf(document).replace(/^( *)```[\s\S]*?^\1```$/gm, '')
}

/** What stands in backticks, on one line. */
export function codeSpansOf(document: string): string[] {
  return [...proseOf(document).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
}

/** The names of environment variables, short forms (`_TOKEN` behind `ENCRYPTION_VAULT_URL`) written out. */
export function variablesIn(text: string): Set<string> {
  const found = new Set<string>()
  for (const line of text.split('\n')) {
    let prefix = ''
    for (const [, name = ''] of line.matchAll(
      /(?<![A-Za-z0-9_])(_?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|_[A-Z]+)(?![A-Za-z0-9_])/g,
    )) {
      prefix = /^ENCRYPTION_[A-Z]+/.exec(name)?.[0] ?? prefix
      found.add(name.startsWith('_') ? prefix + name : name)
    }
  }
  return found
}

/** The anchors that a document's headings have on GitHub. */
export function anchorsOf(document: string): Set<string> {
  const headings = [...proseOf(document).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading)
  return new Set(
    headings.map((heading) =>
      heading
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replace(/ /g, '-'),
    ),
  )
}
