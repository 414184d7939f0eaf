/** The places of ciphertexts in a policy document, and how environment and policy make places of them. */
import { describe, expect, it } from 'vitest'
import { planPlaces } from '../../src/config/places.ts'
import { KeywrightError } from '../../src/errors.ts'
import type { ColumnBinding } from '../../src/jobs/places.ts'
import { parsePolicyDocument } from '../../src/policy/document.ts'
import type { ColumnPolicy, SourcePolicy } from '../../src/policy/policy.ts'
import { tableInContext } from '../../src/policy/sources.ts'

const users = { type: 'postgres', urlVariable: 'DATABASE_URL', table: 'app.users', columns: { email: {} } }
const parse = (sources: object, more: object = {}) => parsePolicyDocument({ sources, ...more })

function problemsOf(sources: object, more: object = {}): readonly string[] {
  try {
    parse(sources, more)
  } catch (error) {
    if (!(error instanceof KeywrightError)) throw error
    expect(error.code).toBe('ERR_POLICY_INVALID')
    return error.details['problems'] as readonly string[]
  }
  return []
}

describe('sources of a policy document', () => {
  it('are plain, frozen data', () => {
    const stated = {
      users: {
        ...users,
        key: ['tenant', 'id'],
        columns: {
          ssn: {
            keyType: 'pii',
            table: null,
            column: 'social',
            row: 'id',
            tenant: 'tenant',
            context: { app: 'crm' },
            as: 'string',
            indexes: [
              { column: 'ssn_token', normaliser: 'digits', field: 'users.ssn', bits: 32, slow: true },
            ],
          },
        },
      },
      sessions: {
        type: 'redis',
        url: 'rediss://redis.example.org/0',
        pattern: 'session:*',
        columns: { value: { keyType: 'session' } },
      },
      local: { type: 'sqlite', path: './app.db', table: 'orders', columns: { email: {} } },
      uploads: { type: 'folder', path: './uploads' },
    }
    const { sources } = parse(stated)
    expect({ ...sources }).toEqual({ ...stated, uploads: { ...stated.uploads, columns: {} } })
    expect(Object.isFrozen(sources['users']?.columns['ssn']?.indexes)).toBe(true)
    expect({ ...parse({}).sources }).toEqual({})
    // What a document can say is what a place can be told.
    const column: ColumnBinding = sources['users']?.columns['ssn'] as ColumnPolicy
    expect(column.row).toBe('id')
  })

  it.each<[what: string, source: object, problem: string | RegExp]>([
    [
      'a member that is none',
      { ...users, colums: {} },
      /^sources\.users\.colums: unknown member; did you mean "columns"/,
    ],
    [
      'a member of a column that is none',
      { ...users, columns: { email: { keytype: 'pii' } } },
      /^sources\.users\.columns\.email\.keytype: unknown member; did you mean "keyType"/,
    ],
    [
      'a member of an index that is none',
      { ...users, columns: { email: { indexes: [{ column: 'a', normalizer: 'x' }] } } },
      /^sources\.users\.columns\.email\.indexes\.0\.normalizer: unknown member; did you mean "normaliser"/,
    ],
    [
      'a type that is none',
      { ...users, type: 'hunter2' },
      /^sources\.users\.type: expected one of "postgres"/,
    ],
    ['no type', { table: 'users' }, /^sources\.users\.type: /],
    ['no table', { ...users, table: undefined }, 'sources.users: a source of type "postgres" needs "table"'],
    [
      'no URL',
      { ...users, urlVariable: undefined },
      'sources.users: a source of type "postgres" needs "url" or "urlVariable"',
    ],
    ['no columns', { ...users, columns: {} }, 'sources.users: a source of type "postgres" needs "columns"'],
    [
      'two URLs',
      { ...users, url: 'postgres://hunter2' },
      'sources.users.urlVariable: state "url" or "urlVariable", not both',
    ],
    [
      'a member of another type',
      { ...users, path: 'hunter2' },
      /^sources\.users\.path: means nothing to a source of type "postgres"; it takes url, urlVariable, table/,
    ],
    [
      'columns of a folder',
      { type: 'folder', path: 'a', columns: { a: { keyType: 'pii' } } },
      /^sources\.users\.columns: means nothing/,
    ],
    [
      'a password in the URL',
      { ...users, urlVariable: undefined, url: 'postgres://u:hunter2@h/db' },
      /^sources\.users\.url: expected a URL without a password/,
    ],
    [
      'a password without a user',
      { ...users, urlVariable: undefined, url: 'redis://:hunter2@h' },
      /^sources\.users\.url: expected a URL without a password/,
    ],
    [
      'a password as a parameter',
      { ...users, urlVariable: undefined, url: 'redis://h?sentinelPassword=hunter2' },
      /^sources\.users\.url: expected a URL without a password/,
    ],
    [
      'a URL as the name of a variable',
      { ...users, urlVariable: 'postgres://hunter2' },
      /^sources\.users\.urlVariable: expected the name of an environment variable/,
    ],
    [
      'a key type that is none',
      { ...users, columns: { email: { keyType: 'pij' } } },
      /^sources\.users\.columns\.email\.keyType: no such key type; did you mean "pii"/,
    ],
    [
      'a key type of search tokens',
      { ...users, columns: { email: { keyType: 'blind_index' } } },
      /^sources\.users\.columns\.email\.keyType: .* "indexes"/,
    ],
    [
      'a field that nobody selects',
      { ...users, columns: { zzz: {} } },
      /^sources\.users\.columns\.zzz: no selector matches this field; state its keyType/,
    ],
    [
      'a reserved name in the context',
      { ...users, columns: { email: { context: { keyring: 'hunter2' } } } },
      /^sources\.users\.columns\.email\.context\.keyring: /,
    ],
    [
      'a normaliser that is none',
      { ...users, columns: { email: { indexes: [{ column: 'a', normaliser: 'hunter2' }] } } },
      /normaliser: expected one of "exact"/,
    ],
    [
      'an index without a column',
      { ...users, columns: { email: { indexes: [{}] } } },
      /^sources\.users\.columns\.email\.indexes\.0\.column: expected the name of a column/,
    ],
    ['an empty key', { ...users, key: [] }, /^sources\.users\.key: /],
  ])('refuses %s, with its path and without its value', (_, source, problem) => {
    const problems = problemsOf({ users: JSON.parse(JSON.stringify(source)) })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(problem)
    expect(problems.join()).not.toContain('hunter2')
  })

  it('refuses a name that cannot be', () => {
    expect(problemsOf({ 'a b': users })).toEqual([expect.stringContaining('the name of a source is letters')])
  })

  it('takes the key type from a selector of the document, and table and column as they are bound', () => {
    const more = { keyTypes: { pii: { selectors: ['crm.zzz'] } } }
    const bound = { ...users, columns: { zzz: { table: 'crm' } } }
    expect(problemsOf({ users: bound }, more)).toEqual([])
    expect(
      problemsOf({ users: { ...users, columns: { a: { table: 'crm', column: 'zzz' } } } }, more),
    ).toEqual([])
    expect(problemsOf({ users: { ...users, columns: { zzz: {} } } }, more)).toHaveLength(1)
  })

  it('is replaced as a whole by the profile that has its name', () => {
    const document = {
      sources: { users, other: users },
      profiles: {
        test: {
          sources: { users: { type: 'sqlite', path: 'test.db', table: 'users', columns: { email: {} } } },
        },
        broken: { sources: { users: { type: 'sqlite', path: 'hunter2', columns: { email: {} } } } },
      },
    }
    const { sources } = parsePolicyDocument(document, { profile: { name: 'test', expected: false } })
    expect(sources['users']).toEqual({
      type: 'sqlite',
      path: 'test.db',
      table: 'users',
      columns: { email: {} },
    })
    expect(Object.keys(sources)).toEqual(['users', 'other'])
    const broken = () => parsePolicyDocument(document, { profile: { name: 'broken', expected: false } })
    expect(broken).toThrow('profiles.broken.sources.users: a source of type "sqlite" needs "table"')
  })

  it.each<[table: string | undefined, inContext: string | undefined]>([
    ['users', 'users'],
    ['app.users', 'users'],
    ['"a.b"', 'a.b'],
    ['app."say ""hi"""', 'say "hi"'],
    [undefined, undefined],
  ])('calls the table %s in contexts %s', (table, inContext) => {
    expect(tableInContext(table === undefined ? {} : { table })).toBe(inContext)
  })
})

describe('places of a policy', () => {
  const plan = (sources: Readonly<Record<string, SourcePolicy>>, environment = {}) =>
    planPlaces({ sources }, environment)

  it('have the URL of the variable, when they are opened', () => {
    const environment = { DATABASE_URL: 'postgres://u:hunter2@h/db' }
    const [place] = plan({ users: users as SourcePolicy }, environment)
    expect(place).toMatchObject({ kind: 'rows', name: 'users', table: 'users', columns: { email: {} } })
    expect(place?.kind === 'rows' && place.settings()).toEqual({
      type: 'postgres',
      name: 'users',
      table: 'app.users',
      url: 'postgres://u:hunter2@h/db',
    })
  })

  it('name source and variable when it is not set', () => {
    const [place] = plan({ users: users as SourcePolicy }, { DATABASE_URL: ' ' })
    const error = expect.objectContaining({
      code: 'ERR_ENVIRONMENT_INVALID',
      message: expect.stringMatching(/source users .* DATABASE_URL/),
      hint: expect.stringContaining('sources.users'),
    })
    expect(() => place?.kind === 'rows' && place.settings()).toThrow(error)
  })

  it('are folders too', () => {
    const folder = { type: 'folder', path: './uploads', columns: {} } as const
    expect(plan({ uploads: folder })).toEqual([{ kind: 'folder', name: 'uploads', path: './uploads' }])
  })
})
