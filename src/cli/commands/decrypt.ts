/** `decrypt`: one value. */
import type { FieldType } from '../../data/codecs.ts'
import type { Keywright } from '../../keywright.ts'
import { keyringFor } from '../../policy/evaluate.ts'
import { type Call, wrongUse } from '../call.ts'
import { withKeywright } from '../opened.ts'
import { type Place, parsePlace } from '../place.ts'
import { readValue } from '../values.ts'

/** The first byte of a ciphertext in binary form. */
const BINARY_START = 0x01

export async function decrypt(call: Call): Promise<undefined> {
  const place = parsePlace(call)
  const { keyType, field, tenant, as = 'string' } = place
  if (tenant !== undefined && keyType === undefined && field === undefined) {
    throw wrongUse('--tenant needs --key-type or --field', 'leave it out: the key id tells the tenant too')
  }
  const input = await readValue(call, { argument: call.args[0], what: 'ciphertext', secret: false })
  const ciphertext = input[0] === BINARY_START ? input : input.toString('utf8').trim()
  const value = await withKeywright(call, (keywright) => open(keywright, place, ciphertext, as))
  if (value instanceof Uint8Array) {
    if (call.output.json)
      await call.output.result({ value: Buffer.from(value).toString('base64'), encoding: 'base64' }, '')
    else await call.output.data(value)
    return
  }
  const text = toText(value)
  await call.output.result({ value }, call.options.flag('raw') ? text : `${text}\n`)
}

async function open(
  keywright: Keywright,
  place: Place,
  ciphertext: string | Buffer,
  as: FieldType,
): Promise<unknown> {
  const { keyType, field, tenant, context, column, table, row } = place
  const ofTenant = tenant === undefined ? {} : { tenant }
  if (column === undefined) {
    return keywright.decrypt(ciphertext, {
      as,
      context,
      ...ofTenant,
      ...(keyType === undefined ? {} : { keyType }),
    })
  }
  const target = keyringFor(keywright.policy, {
    ...(keyType === undefined ? {} : { keyType }),
    ...(field === undefined ? {} : { field }),
    ...ofTenant,
  })
  const place_ = { as, column, context, ...ofTenant, ...(table === undefined ? {} : { table }) }
  return keywright.field(target.keyType, place_).decrypt(ciphertext, row === undefined ? {} : { row })
}

function toText(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'bigint' ? String(value) : JSON.stringify(value)
}
