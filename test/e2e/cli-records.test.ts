import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Workplace } from './cli-kit.ts'

const EXAMPLE = fileURLToPath(new URL('../../examples/customers.csv', import.meta.url))

let place: Workplace

beforeEach(async () => {
  place = new Workplace()
  await place.init()
})

afterEach(() => place.leave())

const records = (direction: 'encrypt' | 'decrypt', stdin: string | Uint8Array, ...options: string[]) =>
  place.keywright(['records', direction, ...options], { stdin })

async function there(text: string, ...options: string[]): Promise<string> {
  const { code, out, err } = await records('encrypt', text, ...options)
  expect(code, err).toBe(0)
  return out
}

async function back(text: string, ...options: string[]): Promise<string> {
  const { code, out, err } = await records('decrypt', text, ...options)
  expect(code, err).toBe(0)
  return out
}

describe('CSV', () => {
  it('of the example comes back byte for byte, through files', async () => {
    copyFileSync(EXAMPLE, 'in.csv')
    const place_ = ['--table', 'customers', '--row-id', 'id', '--field', 'notes=pii']
    const encrypted = await place.keywright([
      'records',
      'encrypt',
      '--in',
      'in.csv',
      '--out',
      'safe.csv',
      ...place_,
    ])
    expect(encrypted).toMatchObject({ code: 0, out: '' })
    expect(encrypted.err).toMatch(/^keywright: encrypted 600 rows to safe\.csv in /)
    expect(statSync('safe.csv').mode & 0o777).toBe(0o600)
    const safe = place.read('safe.csv')
    const [, first = ''] = place.read('in.csv').split('\n')
    for (const secret of first.split(',').slice(2, 4)) expect(safe).not.toContain(secret)
    expect(
      (await place.keywright(['records', 'decrypt', '--in', 'safe.csv', '--out', 'out.csv', ...place_])).code,
    ).toBe(0)
    expect(place.read('out.csv')).toBe(place.read('in.csv'))
    expect(readdirSync('.').filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('keeps its line ends and its byte order mark', async () => {
    const text = '\ufeffemail,n\r\n"a, ""b""\r\nc",1\r\n'
    const encrypted = await there(text, '--format', 'csv')
    expect(encrypted).toMatch(/^\ufeffemail,n\r\nkw1\.[\w-]+,1\r\n$/)
    expect(await back(encrypted, '--format', 'csv')).toBe(text)
  })

  it('keeps empty values empty unless told otherwise', async () => {
    expect(await there('email,n\n,1\n', '--format', 'csv')).toBe('email,n\n,1\n')
    const all = await there('email,n\n,1\n', '--format', 'csv', '--encrypt-empty')
    expect(all).toMatch(/^email,n\nkw1\./)
    expect(await back(all, '--format', 'csv')).toBe('email,n\n,1\n')
  })

  it('comes back whatever stands in it', async () => {
    const value = fc.string({
      unit: fc.constantFrom('a', '"', ',', '\n', ' ', 'é', '🗝', '\t', '='),
      maxLength: 6,
    })
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 4 }), async (rows) => {
        const text = `email,note\n${rows.map((row) => `${row.map(quoted).join(',')}\n`).join('')}`
        const once = await there(text, '--format', 'csv', '--encrypt-empty')
        const plain = await back(once, '--format', 'csv', '--json')
        const expected = rows.map(([email, note]) => ({ email, note: note === '' ? null : note }))
        expect(
          plain
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line)),
        ).toEqual(expected)
      }),
      { numRuns: 25 },
    )
  })

  it('binds values to their row', async () => {
    const encrypted = await there('id,email\n1,a\n2,b\n', '--format', 'csv', '--row-id', 'id')
    const [, one = '', two = ''] = encrypted.split('\n')
    const swapped = `id,email\n1,${two.split(',')[1]}\n2,${one.split(',')[1]}\n`
    const { code, err, out } = await records('decrypt', swapped, '--format', 'csv', '--row-id', 'id')
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain('line 2: field "email": decryption failed')
  })

  it('is not encrypted twice', async () => {
    const encrypted = await there('email\na\n', '--format', 'csv')
    const twice = await records('encrypt', encrypted, '--format', 'csv')
    expect(twice).toMatchObject({ code: 1, out: '' })
    expect(twice.err).toContain('line 2: field "email" is encrypted already')
  })

  it('says which columns stay encrypted', async () => {
    const encrypted = await there('email,x\na,b\n', '--format', 'csv', '--field', 'x=session')
    const { err } = await records('decrypt', encrypted, '--format', 'csv')
    expect(err).toContain('left encrypted, because neither policy nor --field names them: x')
  })

  it('of many rows is streamed: output comes before the end of the input', async () => {
    const rows = Array.from({ length: 5000 }, (_, at) => `person${at}@example.com,${at}\n`).join('')
    const encrypted = await there(`email,n\n${rows}`, '--format', 'csv', '--quiet')
    expect(encrypted.split('\n')).toHaveLength(5002)
    expect(await back(encrypted, '--format', 'csv', '--quiet')).toBe(`email,n\n${rows}`)
  })
})

describe('JSON Lines', () => {
  it('come back with their types, nested and in arrays', async () => {
    const lines = [
      { id: 1, contact: { email: 'a@b.c', phone: null }, tags: ['x'], people: [{ ssn: '12' }, { ssn: 34 }] },
      { id: 2, income: 12.5, address: { street: 'x', no: [1, 2] } },
    ]
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    const encrypted = await there(text, '--format', 'jsonl', '--row-id', 'id')
    for (const clear of ['a@b.c', '12.5', 'street']) expect(encrypted).not.toContain(clear)
    expect(encrypted).toContain('"tags":["x"]')
    expect(await back(encrypted, '--format', 'jsonl', '--row-id', 'id')).toBe(text)
  })

  it('may come in pieces of any size, with empty lines and without a last line end', async () => {
    writeFileSync('in.jsonl', '{"email":"é🗝"}\n\r\n{"email":null}')
    const encrypted = await place.keywright(['records', 'encrypt', '--in', 'in.jsonl'])
    expect(await back(encrypted.out, '--format', 'jsonl')).toBe('{"email":"é🗝"}\n{"email":null}\n')
  })

  it('keep numbers exactly or are refused', async () => {
    const kept =
      '{"a":1.5e3,"b":0.1,"c":-0.000001,"d":"12345678901234567890","email":null,"e":9007199254740991}\n'
    expect(
      JSON.parse(
        await there(`${kept}{"email":"x"}\n`, '--format', 'jsonl').then((text) => text.split('\n')[0] ?? ''),
      ),
    ).toEqual(JSON.parse(kept))
    for (const number of ['12345678901234567890', '0.12345678901234567890123', '1e400']) {
      const { code, out, err } = await records(
        'encrypt',
        `{"email":"x","n":${number}}\n`,
        '--format',
        'jsonl',
      )
      expect({ code, out }).toEqual({ code: 1, out: '' })
      expect(err).toContain('line 1 has a number that JavaScript cannot hold exactly')
    }
  })
})

describe('the choice of columns', () => {
  it('is explained without touching anything', async () => {
    const before = place.fingerprint()
    const { code, out } = await records(
      'encrypt',
      'id,email,x,y\n',
      '--format',
      'csv',
      '--explain',
      '--field',
      'x=session',
      '--field',
      'email=none',
    )
    expect(code).toBe(0)
    expect(out).toMatch(/^id +in clear +no selector matches it$/m)
    expect(out).toMatch(/^email +in clear +--field leaves it alone$/m)
    expect(out).toMatch(/^x +session +--field names it$/m)
    expect(place.fingerprint()).toBe(before)
  })

  it('follows the table, and --no-selectors leaves all to --field', async () => {
    writeFileSync(
      'config/encryption.json',
      JSON.stringify({
        ...JSON.parse(place.read('config/encryption.json')),
        keyTypes: { session: { selectors: ['special.x'] } },
      }),
    )
    const explained = await records(
      'encrypt',
      '{"x":1,"email":"a"}\n',
      '--format',
      'jsonl',
      '--dry-run',
      '--table',
      'special',
    )
    expect(explained.out).toMatch(
      /^x +session +field matches the selector "special\.x" of the policy document$/m,
    )
    const only = await there('x,email\n1,a\n', '--format', 'csv', '--no-selectors', '--field', 'x=pii')
    expect(only).toMatch(/^x,email\nkw1\.[\w-]+,a\n$/)
  })

  it('is by tenant, where one is given', async () => {
    const encrypted = await there('email\na\n', '--format', 'csv', '--tenant', 'acme')
    expect((await records('decrypt', encrypted, '--format', 'csv')).err).toContain('ERR_KEYRING_MISMATCH')
    expect(await back(encrypted, '--format', 'csv', '--tenant', 'acme')).toBe('email\na\n')
  })
})

describe('--json', () => {
  it('gives records as JSON Lines, or a summary beside a file', async () => {
    const lines = await there('email,n\na,1\n,2\n', '--format', 'csv', '--json')
    expect(
      lines
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { email: expect.stringMatching(/^kw1\./), n: '1' },
      { email: null, n: '2' },
    ])
    const { out } = await records('encrypt', 'email,n\na,1\n', '--format', 'csv', '--json', '--out', 'o.csv')
    expect(JSON.parse(out)).toMatchObject({
      out: 'o.csv',
      rows: 1,
      fields: [{ field: 'email', keyType: 'pii', values: 1 }],
    })
    expect(readFileSync('o.csv', 'utf8')).toMatch(/^email,n\nkw1\./)
  })
})

describe('the output file', () => {
  it('is refused when it exists, replaced with --force, and never half there', async () => {
    writeFileSync('o.csv', 'precious')
    const refused = await records('encrypt', 'email\na\n', '--format', 'csv', '--out', 'o.csv')
    expect(refused.code).toBe(2)
    expect(refused.err).toContain('--force')
    const broken = await records(
      'encrypt',
      'email,n\na,1\nb\n',
      '--format',
      'csv',
      '--out',
      'o.csv',
      '--force',
    )
    expect(broken.code).toBe(1)
    expect(place.read('o.csv')).toBe('precious')
    expect(
      (await records('encrypt', 'email\na\n', '--format', 'csv', '--out', 'o.csv', '--force')).code,
    ).toBe(0)
    expect(place.read('o.csv')).toMatch(/^email\nkw1\./)
    expect((await records('encrypt', 'email\na\n', '--format', 'csv', '--out', 'no/o.csv')).err).toContain(
      'ENOENT',
    )
    expect(existsSync('no')).toBe(false)
    expect(readdirSync('.').filter((name) => name.endsWith('.tmp'))).toEqual([])
  })
})
