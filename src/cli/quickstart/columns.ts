/** Which columns of a table are encrypted, under which key type, and why. */
import { KeywrightError } from '../../errors.ts'
import { nearest } from '../../nearest.ts'
import type { Policy } from '../../policy/policy.ts'
import { selectKeyType } from '../../policy/selectors.ts'

export interface ColumnChoice {
  readonly column: string
  /** Absent: stays in clear. */
  readonly keyType?: string
  /** For people. */
  readonly why: string
}

/** The choice for every column: what the caller says, else what the policy's selectors say. */
export function chooseColumns(
  policy: Policy,
  table: string,
  columns: readonly string[],
  stated: Readonly<Record<string, string>>,
): ColumnChoice[] {
  for (const column of Object.keys(stated)) assertColumn(column, columns)
  return columns.map((column) => {
    const keyType = Object.hasOwn(stated, column) ? stated[column] : undefined
    if (keyType === 'plain') return { column, why: 'you said so (--field)' }
    if (keyType !== undefined) return { column, keyType, why: 'you said so (--field)' }
    const selection = selectKeyType(policy, `${table}.${column}`)
    if (selection === undefined) return { column, why: 'no selector of the policy matches it' }
    const origin = selection.source === 'default' ? 'default policy' : 'policy document'
    return { column, keyType: selection.keyType, why: `${selection.pattern} in the ${origin}` }
  })
}

/** The first encrypted column with an e-mail in its name, else the first encrypted one. */
export function chooseSearchColumn(choices: readonly ColumnChoice[], stated: string | undefined): string {
  const encrypted = choices.filter(({ keyType }) => keyType !== undefined).map(({ column }) => column)
  if (stated !== undefined) assertColumn(stated, encrypted)
  const column = stated ?? encrypted.find((name) => /e-?mail/i.test(name)) ?? encrypted[0]
  if (column !== undefined) return column
  throw new KeywrightError(
    'ERR_FIELD_UNMATCHED',
    'no selector of the policy matches any column of this file',
    {
      hint: `choose some: --field ${choices[0]?.column ?? 'column'}=pii`,
      details: { columns: choices.map((choice) => choice.column) },
    },
  )
}

function assertColumn(column: string, columns: readonly string[]): void {
  if (columns.includes(column)) return
  const close = nearest(column, columns)
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `there is no column "${column}" to choose`, {
    hint: close === undefined ? `columns: ${columns.join(', ')}` : `did you mean "${close}"?`,
  })
}
