/** Names of tables as people write them: taken literally, in the case they are written, never as SQL. */
import { invalid } from './errors.ts'

export interface TableName {
  readonly schema?: string
  readonly table: string
}

const PART = /"((?:[^"]|"")+)"|([^".]+)/y

/**
 * 'users', 'app.users', '"odd.name"', 'app."say ""hi"""'. Double quotes are only needed around a dot or a quote.
 * Throws ERR_ARGUMENT_INVALID.
 */
export function parseTableName(text: unknown): TableName {
  const parts = typeof text === 'string' && !text.includes('\0') ? split(text) : undefined
  const [first, second] = parts ?? []
  if (first !== undefined && parts?.length === 1) return { table: first }
  if (first !== undefined && second !== undefined && parts?.length === 2)
    return { schema: first, table: second }
  throw invalid('"table" is no name of a table', 'write users or app.users; in double quotes if it has a dot')
}

function split(text: string): string[] | undefined {
  const parts: string[] = []
  for (let at = 0; ; at = PART.lastIndex + 1) {
    PART.lastIndex = at
    const [, quoted, plain] = PART.exec(text) ?? []
    const part = quoted?.replaceAll('""', '"') ?? plain
    if (part === undefined) return undefined
    parts.push(part)
    if (PART.lastIndex === text.length) return parts
    if (text[PART.lastIndex] !== '.') return undefined
  }
}

/** A name as an identifier of SQL. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`
