import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bindPlace } from '../../../../src/data/binding.ts'
import { loopAad } from '../../../../src/jobs/values/row-aad.ts'

const contexts = [
  { keyring: 'pii', table: 'users', column: 'email' },
  { keyring: 'pii', zone: '"row":"', app: '\\"row":"' }, // members on both sides, and values that look like one
  { as: 'json', keyring: 'pii/tenant-é', 'row.kind': 'row' },
]

const ids = fc.oneof(
  fc.bigInt().map(String),
  fc.uuid(),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({ minLength: 60, maxLength: 70 }),
  fc.constantFrom('"', '\\', '\u007f', '\u001f', '\ud83d\ude00', 'a"b', '~', ' '),
  fc.constant(undefined),
)

test.each(contexts)('gives the bytes of bindPlace, row after row: %j', (context) => {
  const bound = bindPlace(context)
  fc.assert(
    fc.property(fc.array(ids, { maxLength: 20 }), (rows) => {
      const aad = loopAad(context)
      for (const row of rows) expect(aad(row).toString('hex')).toBe(bound(row).toString('hex'))
    }),
  )
})

test('refuses an id that is no well-formed text', () => {
  expect(() => loopAad({ keyring: 'pii' })('\ud800')).toThrow(
    expect.objectContaining({ code: 'ERR_CONTEXT_INVALID' }),
  )
})
