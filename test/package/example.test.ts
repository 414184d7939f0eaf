import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import { describe, expect, it } from 'vitest'
import { customersCsv } from '../../scripts/example/customers.ts'
import { ROOT } from './pack.ts'

const text = readFileSync(join(ROOT, 'examples', 'customers.csv'), 'utf8')
const rows = parse<Record<string, string>>(text, { columns: true })
const column = (name: string): string[] => rows.map((row) => row[name] ?? '')

describe('examples/customers.csv', () => {
  it('is what npm run example writes', () => {
    expect(text).toBe(customersCsv())
  })

  it('has 600 customers, each with an id of its own', () => {
    expect(new Set(column('id')).size).toBe(600)
  })

  it('has mail, numbers and tokens of nobody', () => {
    expect(
      column('email').filter((mail) => !/^([a-z]+\.[a-z]+\d+@example\.(com|org|net))?$/.test(mail)),
    ).toEqual([])
    expect(column('api_token').filter((token) => !/^(tok_test_[0-9a-f]{24})?$/.test(token))).toEqual([])
    const fictional =
      /^(\+1 202-555-01|\+44 20 7946 0|\+49 30 23125 |\+33 1 99 00 |\+46 8 465 004 |\+61 2 5550 |$)/
    expect(column('phone').filter((phone) => !fictional.test(phone))).toEqual([])
  })

  it.each<[string, (value: string) => boolean]>([
    ['empty values', (value) => value === ''],
    ['quotes', (value) => value.includes('"')],
    ['line ends', (value) => value.includes('\n')],
    ['emoji', (value) => /\p{Extended_Pictographic}/u.test(value)],
  ])('has notes with %s', (_what, holds) => {
    expect(column('notes').filter(holds).length).toBeGreaterThan(5)
  })

  it.each(['Latin', 'Han', 'Arabic'])('has names in the script %s', (script) => {
    expect(
      column('name').filter((name) => new RegExp(`\\p{Script=${script}}`, 'u').test(name)).length,
    ).toBeGreaterThan(5)
  })
})
