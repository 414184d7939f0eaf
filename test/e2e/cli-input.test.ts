/** What bad input gets: a code, an exit code, a remedy, and nothing changed on disk. */
import {
  chmodSync,
  copyFileSync,
  readFileSync,
  renameSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DAY_MS, type RunOptions, Workplace } from './cli-kit.ts'

const KEY_FILE = '.keywright/master.keys'
const STORE = '.keywright/keys.db'
const ENCRYPT = ['encrypt', '--key-type', 'pii']

let place: Workplace

beforeEach(async () => {
  place = new Workplace()
  await place.init()
})

afterEach(() => place.leave())

interface Case {
  readonly what: string
  readonly argv?: readonly string[]
  readonly options?: RunOptions
  /** Makes things as bad as they are to be; may give options and arguments. */
  readonly spoil?: () => void | Promise<void>
  readonly exit: 1 | 2
  readonly code: string
  /** Part of the remedy. */
  readonly says: string | RegExp
}

const policy = (more: object): void => {
  const document = JSON.parse(readFileSync('config/encryption.json', 'utf8'))
  writeFileSync('config/encryption.json', JSON.stringify({ ...document, ...more }))
}

const env = (more: Readonly<Record<string, string | undefined>>): RunOptions => ({ env: more, stdin: 'x' })

async function expectRefusal({ argv = ENCRYPT, options, spoil, exit, code, says }: Case): Promise<void> {
  await spoil?.()
  const before = place.fingerprint()
  const text = await place.keywright(argv, { stdin: 'x', ...options })
  expect(text.err).toContain(`(${code})`)
  expect(text.err).toMatch(says)
  expect(text.err).toMatch(/^keywright: \P{Lu}/mu)
  expect(text.err).toContain('\nhint: ')
  expect(text).toMatchObject({ code: exit, out: '' })
  expect(place.fingerprint()).toBe(before)
  const json = await place.keywright([...argv, '--json'], { stdin: 'x', ...options })
  expect(json.code).toBe(exit)
  expect(JSON.parse(json.err.trim().split('\n').at(-1) ?? '')).toMatchObject({
    error: { code, hint: expect.any(String) },
  })
  expect(place.fingerprint()).toBe(before)
  expect(text.err + json.err).not.toContain(place.rootKey)
}

const CONFIGURATION: readonly Case[] = [
  {
    what: 'no backend',
    spoil: () => unlinkSync('config/encryption.json'),
    exit: 2,
    code: 'ERR_BACKEND_MISSING',
    says: 'keywright init',
  },
  {
    what: 'an unknown backend',
    options: env({ ENCRYPTION_KEY_STORAGE_BACKEND: 'flie' }),
    exit: 2,
    code: 'ERR_BACKEND_UNKNOWN',
    says: 'did you mean "file"',
  },
  {
    what: 'a backend without the name of its master key',
    argv: [...ENCRYPT, '--backend', 'gcp_kms'],
    exit: 2,
    code: 'ERR_CONFIG_INVALID',
    says: 'ENCRYPTION_KEY_ID',
  },
  {
    what: 'two root secrets',
    options: env({ ENCRYPTION_MASTER_PASSWORD: 'password password' }),
    exit: 2,
    code: 'ERR_ENVIRONMENT_INVALID',
    says: 'correct or unset',
  },
  {
    what: 'no root secret',
    options: env({ ENCRYPTION_MASTER_KEY: undefined }),
    exit: 2,
    code: 'ERR_ROOT_SECRET_MISSING',
    says: 'ENCRYPTION_MASTER_KEY',
  },
  {
    what: 'a root secret of wrong length',
    options: env({ ENCRYPTION_MASTER_KEY: 'AAECAw==' }),
    exit: 2,
    code: 'ERR_ROOT_SECRET_INVALID',
    says: 'openssl rand',
  },
  {
    what: 'a wrong root secret',
    options: env({ ENCRYPTION_MASTER_KEY: Buffer.alloc(32, 'ab').toString('hex') }),
    exit: 1,
    code: 'ERR_ROOT_SECRET_WRONG',
    says: 'check the root key',
  },
  {
    what: 'a root secret file that is not there',
    options: env({ ENCRYPTION_MASTER_KEY: undefined, ENCRYPTION_MASTER_KEY_FILE: 'none' }),
    exit: 2,
    code: 'ERR_ROOT_SECRET_MISSING',
    says: 'ENCRYPTION_MASTER_KEY_FILE',
  },
  {
    what: 'a policy document that is not there',
    argv: [...ENCRYPT, '--config', 'none.json'],
    exit: 2,
    code: 'ERR_CONFIG_UNREADABLE',
    says: 'ENCRYPTION_CONFIG',
  },
  {
    what: 'a policy document that is no JSON',
    spoil: () => writeFileSync('config/encryption.json', '{"provider": }'),
    exit: 2,
    code: 'ERR_POLICY_INVALID',
    says: /line 1/,
  },
  {
    what: 'a misspelt member',
    spoil: () => policy({ keyTypes: { pii: { roation: {} } } }),
    exit: 2,
    code: 'ERR_POLICY_INVALID',
    says: 'rotation',
  },
  {
    what: 'an unknown provider',
    spoil: () => policy({ keyTypes: { pii: { provider: 'flie' } } }),
    exit: 2,
    code: 'ERR_POLICY_INVALID',
    says: 'did you mean "file"',
  },
  {
    what: 'a rotation longer than max age',
    spoil: () => policy({ keyTypes: { pii: { rotation: { age: '900d' } } } }),
    exit: 2,
    code: 'ERR_POLICY_INVALID',
    says: 'maxAge',
  },
  {
    what: 'overlapping selectors',
    spoil: () => policy({ keyTypes: { pii: { selectors: ['a.x'] }, session: { selectors: ['a.x'] } } }),
    exit: 2,
    code: 'ERR_POLICY_INVALID',
    says: 'more specific',
  },
  {
    what: 'a duration that is none',
    spoil: () => policy({ keyTypes: { pii: { maxAge: '3 fortnights' } } }),
    exit: 2,
    code: 'ERR_POLICY_INVALID',
    says: /keyTypes\.pii\.maxAge/,
  },
  {
    what: 'a store that does not exist',
    argv: [...ENCRYPT, '--store', 'mysql://u:pw@h'],
    exit: 2,
    code: 'ERR_BACKEND_UNKNOWN',
    says: 'sqlite',
  },
]

const FILES: readonly Case[] = [
  {
    what: 'key file missing',
    spoil: () => unlinkSync(KEY_FILE),
    exit: 1,
    code: 'ERR_KEY_FILE_MISSING',
    says: 'restore it from a backup',
  },
  {
    what: 'key file empty',
    spoil: () => truncateSync(KEY_FILE),
    exit: 1,
    code: 'ERR_KEY_FILE_EMPTY',
    says: 'backup',
  },
  {
    what: 'key file truncated',
    spoil: () => truncateSync(KEY_FILE, 200),
    exit: 1,
    code: 'ERR_KEY_FILE_TRUNCATED',
    says: 'backup',
  },
  {
    what: 'key file corrupt',
    spoil: () => writeFileSync(KEY_FILE, '[]\n'),
    exit: 1,
    code: 'ERR_KEY_FILE_CORRUPT',
    says: 'backup',
  },
  {
    what: 'a folder in place of the key file',
    argv: [...ENCRYPT, '--key-path', 'config', '--store', `sqlite:${STORE}`],
    exit: 1,
    code: 'ERR_KEY_FILE_UNREADABLE',
    says: 'check the path',
  },
  {
    what: 'store missing',
    argv: [...ENCRYPT, '--store', 'sqlite:none.db'],
    exit: 1,
    code: 'ERR_STORE_MISSING',
    says: 'keywright init',
  },
  {
    what: 'store empty',
    spoil: () => truncateSync(STORE),
    exit: 1,
    code: 'ERR_STORE_CORRUPT',
    says: 'backup',
  },
  {
    what: 'store that is none',
    spoil: () => writeFileSync(STORE, 'x'.repeat(4096)),
    exit: 1,
    code: 'ERR_STORE_CORRUPT',
    says: 'backup',
  },
  {
    what: 'store of another program',
    spoil: () => foreignStore(),
    exit: 1,
    code: 'ERR_STORE_FOREIGN',
    says: /hint: /,
  },
  {
    what: 'store of a newer version',
    spoil: () => newerStore(),
    exit: 1,
    code: 'ERR_STORE_NEWER',
    says: /upgrade|newer/,
  },
]

function foreignStore(): void {
  unlinkSync(STORE)
  const database = new DatabaseSync(STORE)
  database.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1)')
  database.close()
}

function newerStore(): void {
  const database = new DatabaseSync(STORE)
  database.exec('PRAGMA user_version = 999')
  database.close()
}

describe('configuration', () => {
  it.each(CONFIGURATION)('$what', expectRefusal)
})

describe('files', () => {
  it.each(FILES)('$what', expectRefusal)

  it('a key file from another installation', async () => {
    const ciphertext = await place.encrypt('x', '--key-type', 'pii')
    renameSync(KEY_FILE, 'mine')
    renameSync('.keywright', 'old')
    unlinkSync('config/encryption.json')
    await place.init()
    copyFileSync(KEY_FILE, 'old/master.keys')
    await expectRefusal({
      what: '',
      argv: ['decrypt', ciphertext, '--key-path', 'old/master.keys'],
      exit: 1,
      code: 'ERR_KEY_FILE_FOREIGN',
      says: 'the key file that made the wrap',
    })
  })

  it('a store that another process holds', async () => {
    const database = new DatabaseSync(STORE)
    database.exec('BEGIN EXCLUSIVE')
    try {
      const { code, err } = await place.keywright(ENCRYPT, { stdin: 'x' })
      expect(code).toBe(1)
      expect(err).toContain('ERR_STORE_BUSY')
      expect(err).toContain('try again')
    } finally {
      database.close()
    }
  })

  it('a key file that may not be read, and a store that may not be written', async (context) => {
    if (process.getuid?.() === 0) context.skip('root may read and write everything')
    chmodSync(STORE, 0o400)
    chmodSync('.keywright', 0o500)
    await expectRefusal({ what: '', exit: 1, code: 'ERR_STORE_READ_ONLY', says: 'writable' })
    chmodSync('.keywright', 0o700)
    chmodSync(STORE, 0o600)
    chmodSync(KEY_FILE, 0)
    await expectRefusal({ what: '', exit: 1, code: 'ERR_KEY_FILE_UNREADABLE', says: 'may read' })
  })
})

describe('ciphertexts', () => {
  let ciphertext: string

  beforeEach(async () => {
    ciphertext = await place.encrypt('secret', '--field', 'users.ssn', '--row', '1')
  })

  const decrypt = (value: string, ...options: string[]): Case['argv'] => ['decrypt', value, ...options]
  const flipped = (text: string): string => {
    const wire = Buffer.from(text.slice(4), 'base64url')
    wire[20] = (wire[20] ?? 0) ^ 1
    return `kw1.${wire.toString('base64url')}`
  }
  const IN_PLACE = ['--field', 'users.ssn', '--row', '1']

  it.each<[string, (value: string) => Case['argv'], number, string, string | RegExp]>([
    ['empty', () => decrypt('', ...IN_PLACE), 1, 'ERR_CIPHERTEXT_EMPTY', 'keep null'],
    ['cut', (value) => decrypt(value.slice(0, 30), ...IN_PLACE), 1, 'ERR_CIPHERTEXT_MALFORMED', 'it was cut'],
    ['changed', (value) => decrypt(flipped(value), ...IN_PLACE), 1, 'ERR_DECRYPTION_FAILED', 'was changed'],
    ['plain text', () => decrypt('123-45-6789', ...IN_PLACE), 1, 'ERR_NOT_CIPHERTEXT', 'begin with "kw1."'],
    ['a search token', () => decrypt(`kwi1.${'A'.repeat(48)}`), 1, 'ERR_NOT_CIPHERTEXT', 'kw1.'],
    [
      'of another key type',
      (value) => decrypt(value, '--key-type', 'session'),
      1,
      'ERR_KEYRING_MISMATCH',
      'keywright inspect',
    ],
    [
      'of another tenant',
      (value) => decrypt(value, ...IN_PLACE, '--tenant', 't'),
      1,
      'ERR_KEYRING_MISMATCH',
      'tenant',
    ],
    [
      'of another row',
      (value) => decrypt(value, '--field', 'users.ssn', '--row', '2'),
      1,
      'ERR_DECRYPTION_FAILED',
      'row',
    ],
    [
      'of another column',
      (value) => decrypt(value, '--field', 'users.phone', '--row', '1'),
      1,
      'ERR_DECRYPTION_FAILED',
      'column',
    ],
    [
      'of another installation',
      () => decrypt(`kw1.${Buffer.alloc(40, 1).toString('base64url')}`),
      1,
      'ERR_KEY_UNKNOWN',
      'another installation',
    ],
    [
      'a row without a field',
      (value) => decrypt(value, '--row', '1'),
      2,
      'ERR_ARGUMENT_INVALID',
      '--field users.email',
    ],
    [
      'a tenant without a key type',
      (value) => decrypt(value, '--tenant', 't'),
      2,
      'ERR_ARGUMENT_INVALID',
      'leave it out',
    ],
  ])('%s', (what, argv, exit, code, says) =>
    expectRefusal({ what, argv: argv(ciphertext) ?? [], exit: exit as 1 | 2, code, says }),
  )
})

describe('keys', () => {
  it.each<[string, readonly string[], RunOptions, string, string]>([
    ['suspended', ['suspend'], {}, 'ERR_KEY_SUSPENDED', 'resume the key'],
    [
      'past max age',
      [],
      { later: 800 * DAY_MS, env: { ENCRYPTION_AUTO_ROTATION: 'false' } },
      'ERR_KEY_EXPIRED',
      'rotate',
    ],
  ])('%s', async (what, command, options, code, says) => {
    await place.encrypt('x', '--key-type', 'pii')
    const [{ id } = { id: 0 }] = (await place.json(['keys', 'list'])) as { id: number }[]
    if (command.length > 0) await place.keywright(['keys', ...command, String(id)])
    await expectRefusal({ what, options, exit: 1, code, says })
  })

  it('compromised, where the policy refuses such keys', async () => {
    const ciphertext = await place.encrypt('x', '--key-type', 'pii')
    const [{ id } = { id: 0 }] = (await place.json(['keys', 'list'])) as { id: number }[]
    await place.keywright(['keys', 'revoke', String(id), '--reason', 'r', '--yes'])
    policy({ keyTypes: { pii: { compromised: 'refuse' } } })
    await expectRefusal({
      what: '',
      argv: ['decrypt', ciphertext],
      exit: 1,
      code: 'ERR_KEY_COMPROMISED',
      says: 're-encrypt',
    })
  })

  it('that does not exist', () =>
    expectRefusal({ what: '', argv: ['keys', 'show', '7'], exit: 1, code: 'ERR_KEY_UNKNOWN', says: 'hint' }))
})

describe('tables', () => {
  const csv = ['records', 'encrypt', '--format', 'csv']
  const jsonl = ['records', 'encrypt', '--format', 'jsonl']

  it.each<[string, readonly string[], string | Uint8Array, number, string, string | RegExp]>([
    ['uneven rows', csv, 'email,n\na,1\nb\n', 1, 'ERR_INPUT_INVALID', /line 3 has 1 field, the header has 2/],
    [
      'uneven rows, more',
      csv,
      'email,n\na,1,2\n',
      1,
      'ERR_INPUT_INVALID',
      /line 2 has 3 fields, the header has 2/,
    ],
    ['an open quote', csv, 'email,n\n"a,1\n', 1, 'ERR_INPUT_INVALID', /line \d opens a quote/],
    ['a stray quote', csv, 'email,n\na"b,1\n', 1, 'ERR_INPUT_INVALID', /line 2 has a quote inside/],
    ['text after a quote', csv, 'email,n\n"a"b,1\n', 1, 'ERR_INPUT_INVALID', /line 2 has text after/],
    [
      'broken UTF-8',
      csv,
      Buffer.from('email,n\na,1\n\xff,2\n', 'latin1'),
      1,
      'ERR_INPUT_INVALID',
      /line 3: byte 12 is not UTF-8/,
    ],
    [
      'a cut character',
      csv,
      Buffer.from('email\na\u00e9').subarray(0, 8),
      1,
      'ERR_INPUT_INVALID',
      /line 2: byte 7 is not/,
    ],
    ['no input', csv, '', 1, 'ERR_INPUT_INVALID', 'header'],
    ['a column twice', csv, 'email,email\na,b\n', 1, 'ERR_INPUT_INVALID', 'name of its own'],
    [
      'a missing column',
      [...csv, '--field', 'emial=pii'],
      'email,n\na,1\n',
      1,
      'ERR_INPUT_INVALID',
      'did you mean "email"',
    ],
    [
      'a missing row id',
      [...csv, '--row-id', 'uuid'],
      'email,n\na,1\n',
      1,
      'ERR_INPUT_INVALID',
      'columns: email, n',
    ],
    [
      'an empty row id',
      [...csv, '--row-id', 'n'],
      'email,n\na,\n',
      2,
      'ERR_CONTEXT_INVALID',
      /line 2: the record has no usable row id/,
    ],
    [
      'a row id that would be encrypted',
      [...csv, '--row-id', 'email'],
      'email,n\na,1\n',
      2,
      'ERR_ARGUMENT_INVALID',
      '--field email=none',
    ],
    [
      'an unknown key type',
      [...csv, '--field', 'n=pi'],
      'email,n\na,1\n',
      2,
      'ERR_KEY_TYPE_UNKNOWN',
      'did you mean "pii"',
    ],
    [
      'a malformed --field',
      [...csv, '--field', 'n'],
      'email,n\na,1\n',
      2,
      'ERR_ARGUMENT_INVALID',
      'note=pii',
    ],
    ['nothing to encrypt', csv, 'x,n\na,1\n', 2, 'ERR_FIELD_UNMATCHED', '--field <column=key_type>'],
    ['nothing to encrypt in JSON', jsonl, '{"x":1}\n', 2, 'ERR_FIELD_UNMATCHED', '--explain'],
    ['no JSON', jsonl, '{"email":null}\nemail\n', 1, 'ERR_INPUT_INVALID', /line 2 is not JSON/],
    [
      'JSON that is no object',
      jsonl,
      '[{"email":"a"}]\n',
      1,
      'ERR_INPUT_INVALID',
      /line 1 is not a JSON object/,
    ],
    [
      'JSON nested without end',
      jsonl,
      `{"email":"a","x":${'{"x":'.repeat(5000)}1${'}'.repeat(5001)}\n`,
      1,
      'ERR_INPUT_INVALID',
      'nested deeper than 64 levels',
    ],
    ['no format', ['records', 'encrypt'], 'x', 2, 'ERR_ARGUMENT_INVALID', '--format csv'],
    [
      'no such file',
      ['records', 'encrypt', '--in', 'none.csv'],
      '',
      1,
      'ERR_INPUT_INVALID',
      'check the path',
    ],
    [
      'plain text to decrypt',
      ['records', 'decrypt', '--format', 'csv'],
      'email,n\na,1\n',
      1,
      'ERR_NOT_CIPHERTEXT',
      /line 2: field "email"/,
    ],
  ])('%s', (what, argv, stdin, exit, code, says) =>
    expectRefusal({ what, argv, options: { stdin }, exit: exit as 1 | 2, code, says }),
  )
})

describe('the command line', () => {
  it.each<[string, readonly string[], string]>([
    ['an unknown command', ['encrpyt'], 'did you mean "encrypt"?'],
    ['an unknown command of a group', ['keys', 'lst'], 'did you mean "list"?'],
    ['an unknown option', ['keys', 'list', '--tennant', 'x'], 'did you mean "--tenant"?'],
    [
      'an option with a value nobody expects',
      ['keys', 'list', '--password=hunter2'],
      'unknown option "--password"',
    ],
    ['a missing argument', ['keys', 'show'], '<id> is missing'],
    ['a missing value', ['keys', 'list', '--tenant'], 'the value is missing'],
    ['a choice that is none', ['keys', 'list', '--state', 'hunter2'], 'one of pending, active'],
    ['no key type', ['encrypt'], 'name --key-type'],
    ['a key id that is none', ['keys', 'show', 'abc'], 'keywright keys list'],
    ['a time that is none', ['audit', 'list', '--since', 'yesterday'], '2026-05-01'],
    ['an event that is none', ['audit', 'list', '--event', 'key.rotat'], 'did you mean "key.rotate"?'],
    ['a context that is none', [...ENCRYPT, '--context', 'x'], '--context table=users'],
    ['a shell that is none', ['completion', 'tcsh'], 'bash, zsh, fish'],
    ['a number that is none', ['audit', 'list', '--last', '-3'], '--last 20'],
  ])('%s', async (_what, argv, says) => {
    const before = place.fingerprint()
    const { code, out, err } = await place.keywright(argv)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(says)
    expect(err).not.toContain('hunter2')
    expect(place.fingerprint()).toBe(before)
  })
})
