/** `encrypt`: one value. */
import { isUtf8 } from 'node:buffer'
import { CODECS, type FieldType } from '../../data/codecs.ts'
import { inspect } from '../../data/inspect.ts'
import { KeywrightError } from '../../errors.ts'
import type { Keywright } from '../../keywright.ts'
import { keyringFor } from '../../policy/evaluate.ts'
import { type Call, wrongUse } from '../call.ts'
import { withKeywright } from '../opened.ts'
import { type Place, parsePlace } from '../place.ts'
import { readValue } from '../values.ts'

export async function encrypt(call: Call): Promise<undefined> {
  const place = parsePlace(call)
  if (place.keyType === undefined && place.field === undefined) {
    throw wrongUse(
      'nothing says which key encrypts',
      'name --key-type, or --field, whose key type the policy tells',
    )
  }
  const value = await readValue(call, { argument: call.args[0], what: 'value', secret: true })
  if (value.length === 0) {
    await call.output.warn(
      'the value is empty',
      'if it was to come on standard input: did the program before fail?',
    )
  }
  await withKeywright(call, async (keywright) => {
    const { keyring, ciphertext } = await seal(keywright, place, value)
    const inspection = inspect(ciphertext)
    const keyId = inspection.kind === 'value' ? inspection.keyId : undefined
    await call.output.result({ ciphertext, keyring, keyId }, `${ciphertext}\n`)
  })
}

async function seal(
  keywright: Keywright,
  place: Place,
  value: Buffer,
): Promise<{ keyring: string; ciphertext: string }> {
  const { keyType, field, tenant, context, column, table, row, as } = place
  const target = keyringFor(keywright.policy, {
    ...(keyType === undefined ? {} : { keyType }),
    ...(field === undefined ? {} : { field }),
    ...(tenant === undefined ? {} : { tenant }),
  })
  if (column === undefined) {
    const options = { context, ...(tenant === undefined ? {} : { tenant }) }
    return { keyring: target.keyring, ciphertext: await keywright.encrypt(target.keyType, value, options) }
  }
  const bound = keywright.field(target.keyType, {
    as: as ?? (isUtf8(value) ? 'string' : 'bytes'),
    column,
    context,
    ...(table === undefined ? {} : { table }),
    ...(tenant === undefined ? {} : { tenant }),
  })
  const ciphertext = await bound.encrypt(typed(value, as), row === undefined ? {} : { row })
  return { keyring: bound.keyring, ciphertext }
}

/** What the text means as a type. Without one: text, or bytes where it is none. */
function typed(value: Buffer, as: FieldType | undefined): never {
  const type = as ?? (isUtf8(value) ? 'string' : 'bytes')
  try {
    return CODECS[type].decode(value) as never
  } catch (error) {
    if (!(error instanceof KeywrightError)) throw error
    throw new KeywrightError('ERR_VALUE_TYPE', `the value is no ${type}`, { hint: FORMS[type] })
  }
}

const FORMS: Readonly<Record<FieldType, string>> = {
  string: 'text is UTF-8; for anything else use --as bytes',
  bytes: 'any bytes',
  number: 'write it as in JSON: 12.5',
  bigint: 'write its digits: 12345678901234567890',
  boolean: 'write true or false',
  date: 'write it in UTC with milliseconds: 2026-05-01T00:00:00.000Z',
  json: 'write valid JSON',
}
