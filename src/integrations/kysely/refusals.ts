/** What the plugin does not do, and what to do instead. */
import { KeywrightError } from '../../errors.ts'

function refusal(column: string, what: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', `column "${column}" is encrypted: ${what}`, {
    hint,
    details: { column },
  })
}

/** Comparing, sorting, grouping, computing. */
export function notInExpression(column: string): KeywrightError {
  return refusal(
    column,
    'the database cannot compare, sort or compute with it',
    `look rows up by its token: .where('…_token', 'in', await kw.index('${column}').tokens(value)); ` +
      'the rest belongs into the application',
  )
}

export function notFromExpression(column: string): KeywrightError {
  return refusal(
    column,
    'it takes a value, no expression',
    'compute the value in the application; to copy ciphertext as it is, use db.withoutPlugins()',
  )
}

/** Results in which a value would not be found again. */
export function notInSelection(column: string): KeywrightError {
  return refusal(
    column,
    'it can only be selected as it is, at the top',
    'select it by name, without functions, DISTINCT, UNION or nesting in JSON; ciphertext comes from db.withoutPlugins()',
  )
}

export function sameName(column: string): KeywrightError {
  return refusal(
    column,
    'it, or the id of its row, may share its name with another result',
    "select columns by name, each under a name of its own: .select(['users.id as user_id', 'orders.id as order_id'])",
  )
}

export function rowNotSelected(column: string, row: string): KeywrightError {
  return refusal(column, `its values are bound to "${row}", which is not selected`, `select "${row}" as well`)
}

export function rowNotKnown(column: string, row: string): KeywrightError {
  return refusal(
    column,
    `its values are bound to "${row}", which the query does not tell`,
    `insert with an id made by the application; update with .where('${row}', '=', id), one row at a time`,
  )
}

export function rowChanges(column: string, row: string): KeywrightError {
  return refusal(
    column,
    `its values are bound to "${row}", which the query would change`,
    'read the row, insert it anew under the other id, and delete the old one',
  )
}

export function conflictUnbound(column: string, row: string): KeywrightError {
  return refusal(
    column,
    `its values are bound to "${row}", and the row in conflict may have another one`,
    `conflict on "${row}" alone and set the column to excluded, or read first and then update by "${row}"`,
  )
}

export function notAToken(column: string): KeywrightError {
  return new KeywrightError(
    'ERR_ARGUMENT_INVALID',
    `column "${column}" holds search tokens, and the value is none`,
    {
      hint: `make tokens of it: .where('${column}', 'in', await kw.index('table.column', …).tokens(value))`,
      details: { column },
    },
  )
}

export function tokenGiven(table: string, token: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', `column "${table}.${token}" is filled by the plugin`, {
    hint: 'leave it out: it gets the token of the value that is stored beside it',
    details: { column: `${table}.${token}` },
  })
}

export function unsupported(table: string, what: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', `table "${table}" has encrypted columns: ${what}`, {
    hint: 'write it as insert and update, or encrypt with kw.records and use db.withoutPlugins()',
    details: { table },
  })
}
