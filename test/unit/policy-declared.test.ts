/** A column that is declared under `sources` with its key type is a selector as well. */
import { describe, expect, it } from 'vitest'
import { KeywrightError, parsePolicy } from '../../src/index.ts'
import { selectKeyType } from '../../src/policy/selectors.ts'

const users = (column: object, table?: string): object => ({
  sources: {
    users: {
      type: 'sqlite',
      path: './app.db',
      table: table ?? 'users',
      columns: { note: column },
    },
  },
})

describe('a declared column', () => {
  it.each<[string, object, string, string | undefined]>([
    ['its own name', users({ keyType: 'pii' }), 'users.note', 'pii'],
    ['the table without its schema', users({ keyType: 'pii' }, 'app.users'), 'users.note', 'pii'],
    ['another column in the context', users({ keyType: 'pii', column: 'remark' }), 'users.remark', 'pii'],
    ['another table in the context', users({ keyType: 'pii', table: 'people' }), 'people.note', 'pii'],
    ['no other field', users({ keyType: 'pii' }), 'users.other', undefined],
  ])('selects the key type of %s', async (_, document, field, keyType) => {
    expect(selectKeyType(await parsePolicy(document), field)?.keyType).toBe(keyType)
  })

  it('wins over a default selector, and over a wider one of the document', async () => {
    const columns = { email: { keyType: 'api_keys' }, iban: { keyType: 'session' } }
    const policy = await parsePolicy({
      keyTypes: { pii: { selectors: ['*.email'] } },
      sources: { users: { type: 'sqlite', path: './app.db', table: 'users', columns } },
    })
    expect(selectKeyType(policy, 'users.email')?.keyType).toBe('api_keys')
    expect(selectKeyType(policy, 'users.iban')?.keyType).toBe('session')
    expect(selectKeyType(policy, 'others.email')?.keyType).toBe('pii')
  })

  it('must not contradict a selector that names the same field', async () => {
    const document = { keyTypes: { pii: { selectors: ['users.note'] } }, ...users({ keyType: 'api_keys' }) }
    const failure = await parsePolicy(document).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(KeywrightError)
    expect(failure).toMatchObject({ code: 'ERR_POLICY_INVALID' })
  })
})
