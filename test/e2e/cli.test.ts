import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DAY_MS, Workplace } from './cli-kit.ts'

interface Key {
  readonly id: number
  readonly keyring: string
  readonly version: number
  readonly state: string
  readonly wraps: readonly { readonly masterKeyVersion: string }[]
}

let place: Workplace

beforeEach(() => {
  place = new Workplace()
})

afterEach(() => place.leave())

const keysOf = async (...options: string[]): Promise<Key[]> =>
  (await place.json(['keys', 'list', ...options])) as Key[]

describe('help', () => {
  it('lists every command in groups, with exit codes, on standard output', async () => {
    const { code, out, err } = await place.keywright(['--help'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    for (const word of ['Start:', 'Data:', 'Keys:', 'Policy:', 'Watch:', 'Exit codes:', 'rewrap', '130']) {
      expect(out).toContain(word)
    }
  })

  it('is the same for `help a b` and `a b --help`, with examples', async () => {
    const one = await place.keywright(['help', 'keys', 'rotate'])
    expect(one).toEqual(await place.keywright(['keys', 'rotate', '--help']))
    expect(one.code).toBe(0)
    expect(one.out).toContain('$ keywright keys rotate --due')
  })

  it('goes to standard error, as wrong use, where a command is missing', async () => {
    for (const argv of [[], ['keys'], ['audit']]) {
      const { code, out, err } = await place.keywright(argv)
      expect({ code, out }).toEqual({ code: 2, out: '' })
      expect(err).toContain('Usage: keywright')
    }
  })

  it('has an example for every command', async () => {
    const { out } = await place.keywright(['completion', 'bash'])
    const paths = [...out.matchAll(/^ {4}" ([a-z ]+)"\)/gm)].map(([, path]) => (path ?? '').split(' '))
    expect(paths.length).toBeGreaterThan(30)
    for (const path of paths.filter(([first]) => first !== 'help')) {
      const { out: help } = await place.keywright([...path, '--help'])
      const isGroup = help.includes('\nCommands:')
      expect(isGroup || help.includes('$ '), path.join(' ')).toBe(true)
    }
  })

  it('gives the version of the package', async () => {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect((await place.keywright(['--version'])).out).toBe(`${manifest.version}\n`)
  })
})

describe('init', () => {
  it('makes key file, store and document, each announced in the audit log', async () => {
    const { code, out, err } = await place.keywright(['init'])
    expect(code).toBe(0)
    expect(out).toMatch(/made {2}master key +\.keywright\/master\.keys\n/)
    expect(err).toContain('$ keywright doctor')
    expect(JSON.parse(place.read('config/encryption.json'))).toMatchObject({
      version: 1,
      provider: 'file',
      providers: { file: { type: 'file', path: '.keywright/master.keys' } },
    })
    for (const path of ['master.keys', 'keys.db', 'audit.jsonl']) {
      expect(statSync(`.keywright/${path}`).mode & 0o777).toBe(0o600)
    }
    const { out: records } = await place.keywright(['audit', 'list', '--json'])
    const events = records
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).event)
    expect(events).toEqual(['master.create', 'store.create', 'config.change'])
  })

  it('run twice says what is there and changes nothing', async () => {
    await place.init()
    const before = place.fingerprint()
    const { code, err } = await place.keywright(['init'])
    expect(code).toBe(1)
    expect(err).toContain('ERR_KEY_FILE_EXISTS')
    for (const path of ['.keywright/master.keys', '.keywright/keys.db', 'config/encryption.json']) {
      expect(err).toContain(path)
    }
    expect(place.fingerprint()).toBe(before)
  })

  it('makes a root key in a file of its own, which then opens everything', async () => {
    const env = { ENCRYPTION_MASTER_KEY: undefined }
    const made = await place.keywright(['init', '--root-key-file', 'secret/root.key'], { env })
    expect(made.code).toBe(0)
    expect(made.err).toContain('export ENCRYPTION_MASTER_KEY_FILE=secret/root.key')
    expect(statSync('secret/root.key').mode & 0o777).toBe(0o600)
    expect(made.out + made.err).not.toContain(place.read('secret/root.key').trim())
    const with_ = { env: { ...env, ENCRYPTION_MASTER_KEY_FILE: 'secret/root.key' } }
    expect((await place.keywright(['encrypt', '--key-type', 'pii'], { ...with_, stdin: 'x' })).code).toBe(0)
    const again = await place.keywright(['init', '--root-key-file', 'secret/root.key'], { env })
    expect(again.code).toBe(1)
  })

  it('goes on where it was stopped', async () => {
    await place.init()
    const { unlinkSync } = await import('node:fs')
    unlinkSync('.keywright/keys.db')
    unlinkSync('config/encryption.json')
    const { code, out } = await place.keywright(['init'])
    expect(code).toBe(0)
    expect(out).toMatch(/kept {2}master key/)
    expect(out).toMatch(/made {2}key store/)
    expect(out).toMatch(/made {2}policy document/)
  })

  it('refuses a new master key where a store has keys, and a new store where the log tells of keys', async () => {
    await place.init()
    await place.encrypt('x', '--key-type', 'pii')
    const { renameSync } = await import('node:fs')
    renameSync('.keywright/master.keys', 'elsewhere')
    const before = place.fingerprint()
    const lost = await place.keywright(['init'])
    expect(lost.code).toBe(1)
    expect(lost.err).toContain('ERR_KEY_FILE_MISSING')
    expect(lost.err).toContain('restore the key file')
    expect(place.fingerprint()).toBe(before)
    renameSync('elsewhere', '.keywright/master.keys')
    for (const suffix of ['', '-wal', '-shm']) {
      if (existsSync(`.keywright/keys.db${suffix}`))
        renameSync(`.keywright/keys.db${suffix}`, `gone${suffix}`)
    }
    const gone = await place.keywright(['init'])
    expect(gone.code).toBe(1)
    expect(gone.err).toContain('ERR_STORE_MISSING')
    expect(existsSync('.keywright/keys.db')).toBe(false)
  })

  it('makes an unsealed key file only when told so, loudly, and never in production', async () => {
    const env = { ENCRYPTION_MASTER_KEY: undefined }
    const unsaid = await place.keywright(['init'], { env })
    expect(unsaid.code).toBe(2)
    expect(unsaid.err).toContain('ERR_ROOT_SECRET_MISSING')
    const production = await place.keywright(['init', '--unsealed'], {
      env: { ...env, NODE_ENV: 'production' },
    })
    expect(production.code).toBe(2)
    expect(production.err).toContain('ERR_KEY_FILE_UNSEALED')
    expect(existsSync('.keywright')).toBe(false)
    const made = await place.keywright(['init', '--unsealed'], { env })
    expect(made.code).toBe(0)
    expect(made.err).toContain('THE MASTER KEY LIES IN CLEAR')
    const used = await place.keywright(['encrypt', '--key-type', 'pii'], { env, stdin: 'x' })
    expect(used.code).toBe(0)
    expect(used.err).toContain('THE MASTER KEY LIES IN CLEAR')
  })

  it('takes a password from the environment', async () => {
    const env = { ENCRYPTION_MASTER_KEY: undefined, ENCRYPTION_MASTER_PASSWORD: 'correct horse battery' }
    expect((await place.keywright(['init'], { env })).code).toBe(0)
    const wrong = { ...env, ENCRYPTION_MASTER_PASSWORD: 'correct horse batterz' }
    const refused = await place.keywright(['encrypt', '--key-type', 'pii'], { env: wrong, stdin: 'x' })
    expect(refused.code).toBe(1)
    expect(refused.err).toContain('wrong password or damaged file')
  })
})

describe('values', () => {
  beforeEach(() => place.init())

  it('come back as they went in, one line feed apart', async () => {
    const ciphertext = await place.encrypt('ada@example.com\n', '--key-type', 'pii')
    expect(ciphertext).toMatch(/^kw1\.[\w-]+$/)
    expect((await place.keywright(['decrypt', ciphertext])).out).toBe('ada@example.com\n')
    expect((await place.keywright(['decrypt', '--raw'], { stdin: `${ciphertext}\n` })).out).toBe(
      'ada@example.com',
    )
  })

  it.each([
    ['x\r\n', [], 'x'],
    ['x\n\n', [], 'x\n'],
    ['x\n', ['--raw'], 'x\n'],
    ['', ['--raw'], ''],
  ])('%j with %j is %j', async (stdin, options, expected) => {
    const ciphertext = await place.encrypt(stdin, '--key-type', 'pii', ...options)
    expect((await place.keywright(['decrypt', '--raw', ciphertext])).out).toBe(expected)
  })

  it('may be bytes', async () => {
    const { out } = await place.keywright(['encrypt', '--key-type', 'pii', '--raw'], {
      stdin: Uint8Array.of(0, 255, 10),
    })
    const opened = await place.json(['decrypt', '--as', 'bytes', out.trim()])
    expect(opened).toEqual({ value: Buffer.from([0, 255, 10]).toString('base64'), encoding: 'base64' })
  })

  it('are bound to field, row and context', async () => {
    const place_ = ['--field', 'users.income', '--as', 'number', '--context', 'country=de']
    const ciphertext = await place.encrypt('12.5', ...place_, '--row', '4')
    const open = (...options: string[]) => place.keywright(['decrypt', ciphertext, ...options])
    expect((await open(...place_, '--row', '4')).out).toBe('12.5\n')
    expect(await place.json(['decrypt', ciphertext, ...place_, '--row', '4'])).toEqual({ value: 12.5 })
    for (const other of [[...place_, '--row', '5'], place_, ['--key-type', 'financial_data']]) {
      const { code, err } = await open(...other)
      expect(code).toBe(1)
      expect(err).toContain('decryption failed (ERR_DECRYPTION_FAILED)')
    }
  })

  it('are warned of on the command line, unless told otherwise, and never repeated', async () => {
    const warned = await place.keywright(['encrypt', 'hunter2', '--key-type', 'pii'])
    expect(warned.code).toBe(0)
    expect(warned.err).toContain('visible in the process list')
    expect(warned.err).not.toContain('hunter2')
    const quiet = await place.keywright(['encrypt', 'hunter2', '--key-type', 'pii', '--no-argv-warning'])
    expect(quiet.err).toBe('')
    const many = await place.keywright(['encrypt', 'hunter2', 'hunter3', '--key-type', 'pii'])
    expect(many.code).toBe(2)
    expect(many.err).not.toContain('hunter')
    const dashed = await place.keywright(['encrypt', '-hunter2', '--key-type', 'pii'])
    expect(dashed.err).toContain('goes after "--"')
    expect(dashed.err).not.toContain('hunter')
  })

  it('come from a file or a variable', async () => {
    writeFileSync('value', 'from file\n')
    const file = await place.encrypt('', '--key-type', 'pii', '--value-file', 'value')
    expect((await place.keywright(['decrypt', file])).out).toBe('from file\n')
    const { out } = await place.keywright(['encrypt', '--key-type', 'pii', '--value-env', 'V'], {
      env: { V: 'from env' },
    })
    expect((await place.keywright(['decrypt', out.trim()])).out).toBe('from env\n')
    expect((await place.keywright(['encrypt', 'x', '--key-type', 'pii', '--value-env', 'V'])).code).toBe(2)
  })

  it('have search tokens that are equal for equal values', async () => {
    const token = async (value: string) =>
      (await place.keywright(['hash', 'users.email', '--normaliser', 'email'], { stdin: value })).out
    expect(await token('ADA@Example.com ')).toBe(await token('ada@example.com\n'))
    expect(await token('ada@example.org')).not.toBe(await token('ada@example.com'))
    expect(await token('x')).toMatch(/^kwi1\./)
  })

  it('are inspected without any key, with the store where it can be read', async () => {
    const ciphertext = await place.encrypt('12345', '--key-type', 'pii')
    expect(await place.json(['inspect', ciphertext])).toMatchObject({
      kind: 'value',
      plaintextBytes: 5,
      key: { keyring: 'pii', version: 1, state: 'active' },
    })
    const elsewhere = await place.keywright(['inspect', ciphertext, '--store', 'sqlite:none.db'])
    expect(elsewhere.code).toBe(0)
    expect(elsewhere.out).toContain('key id')
    expect(elsewhere.err).toContain('the key store was not asked')
    expect(existsSync('none.db')).toBe(false)
  })
})

describe('keys', () => {
  beforeEach(() => place.init())

  it('are listed in a table whose columns stand under their titles', async () => {
    await place.encrypt('x', '--key-type', 'pii')
    await place.keywright(['keys', 'create', 'session', '--tenant', 'acme'])
    const { out } = await place.keywright(['keys', 'list'])
    const [titles = '', ...rows] = out.trimEnd().split('\n')
    expect(rows).toHaveLength(2)
    for (const title of ['STATE', 'NEXT ROTATION', 'WRAPPED BY']) {
      const at = titles.indexOf(title)
      for (const row of rows) expect(row.slice(at - 2, at + 1)).toMatch(/^ {2}\S$/)
    }
    expect(rows[0]).toMatch(/^pii +1 +\d+ {2}active .*\d{4}-\d\d-\d\d \(in 1(79|80) days\) +1 {2}file:1$/)
    expect(rows[1]).toMatch(/^session\/acme +1 /)
    expect(out).not.toContain('\u001b')
  })

  it('have colours on a terminal unless NO_COLOR is set', async () => {
    await place.encrypt('x', '--key-type', 'pii')
    expect((await place.keywright(['keys', 'list'], { tty: true })).out).toContain('\u001b[32mactive')
    const plain = await place.keywright(['keys', 'list'], { tty: true, env: { NO_COLOR: '1' } })
    expect(plain.out).not.toContain('\u001b')
  })

  it('go through suspend, resume, revoke', async () => {
    const ciphertext = await place.encrypt('x', '--key-type', 'pii')
    const [{ id } = { id: 0 }] = await keysOf()
    const suspended = await place.keywright(['keys', 'suspend', String(id), '--reason', 'look'])
    expect(suspended.out).toContain('is suspended')
    expect(suspended.err).toContain('nothing encrypts under pii now')
    expect((await place.keywright(['decrypt', ciphertext])).err).toContain('ERR_KEY_SUSPENDED')
    expect((await place.keywright(['keys', 'resume', String(id)])).out).toContain('is active')
    expect((await place.keywright(['keys', 'revoke', String(id), '--yes'])).code).toBe(2)
    expect((await place.keywright(['keys', 'revoke', String(id), '--reason', 'leak'])).err).toContain('--yes')
    expect((await place.keywright(['keys', 'revoke', String(id), '--reason', 'leak', '--yes'])).code).toBe(0)
    expect((await keysOf()).map(({ state }) => state)).toEqual(['compromised', 'active'])
    expect((await place.keywright(['keys', 'show', String(id)])).out).toMatch(/^reason +leak$/m)
    expect((await place.keywright(['decrypt', ciphertext])).out).toBe('x\n')
  })

  it('rotate when due, when forced, and all that is due at once', async () => {
    await place.encrypt('x', '--key-type', 'pii')
    expect((await place.keywright(['keys', 'rotate', 'pii'])).out).toMatch(
      /^not rotated: .* is not due; due in /,
    )
    const forced = await place.keywright(['keys', 'rotate', 'pii', '--force', '--now', '--reason', 'drill'])
    expect(forced.out).toMatch(/^rotated \(forced\): pii version 2, key \d+ encrypts now\n$/)
    expect((await place.keywright(['keys', 'rotate', '--due'])).err).toContain('nothing is due')
    const later = { later: 200 * DAY_MS }
    expect((await place.keywright(['keys', 'list', '--due'], later)).out).toContain('overdue (age)')
    const due = await place.keywright(['keys', 'rotate', '--due', '--now'], later)
    expect(due.out).toContain('rotated (age): pii version 3')
    expect((await place.keywright(['audit', 'list', '--event', 'key.rotate'])).out).toContain('"drill"')
  })

  it('are cleaned up and destroyed only with a reason and a yes', async () => {
    const ciphertext = await place.encrypt('x', '--key-type', 'pii')
    await place.keywright(['keys', 'rotate', 'pii', '--force', '--now'])
    const [{ id } = { id: 0 }] = await keysOf()
    const later = { later: 800 * DAY_MS }
    const destroy = (...options: string[]) =>
      place.keywright(['keys', 'destroy', String(id), ...options], later)
    expect(
      (await place.keywright(['keys', 'destroy', String(id), '--override-reason', 'r', '--yes'])).err,
    ).toContain('grace period')
    expect((await destroy()).err).toContain('ERR_DESTROY_REFUSED')
    expect((await destroy('--override-reason', 'r')).err).toContain('--yes')
    const listed = await place.keywright(['keys', 'cleanup'], later)
    expect(listed.out).toContain(String(id))
    expect((await keysOf())[0]?.state).toBe('deactivated')
    const cleaned = await place.keywright(['keys', 'cleanup', '--override-reason', 'moved', '--yes'], later)
    expect(cleaned.err).toContain('1 key destroyed')
    expect((await keysOf())[0]?.state).toBe('destroyed')
    expect((await place.keywright(['decrypt', ciphertext])).err).toContain('ERR_KEY_DESTROYED')
    expect((await destroy('--override-reason', 'r', '--yes')).err).toContain('ERR_KEY_STATE')
  })

  it('are wrapped anew after a rotation of the master key', async () => {
    const ciphertext = await place.encrypt('x', '--key-type', 'pii')
    const rotated = await place.keywright(['master', 'rotate'])
    expect(rotated.out).toContain('wraps under version 2')
    expect(rotated.err).toContain('1 wrap under an older version')
    expect(await place.json(['master', 'show'])).toMatchObject([
      { provider: 'file', version: '2', behind: 1 },
    ])
    expect(await place.json(['rewrap', '--dry-run'])).toMatchObject({ rewrapped: 1 })
    expect((await keysOf())[0]?.wraps[0]?.masterKeyVersion).toBe('1')
    expect((await place.keywright(['rewrap'])).out).toBe('1 wrap renewed, 0 up to date, 1 key looked at\n')
    expect((await keysOf())[0]?.wraps[0]?.masterKeyVersion).toBe('2')
    expect((await place.keywright(['decrypt', ciphertext])).out).toBe('x\n')
  })

  it('are counted', async () => {
    await place.encrypt('x', '--key-type', 'pii')
    expect(await place.json(['stats'])).toMatchObject({ keys: 1, byKeyType: { pii: 1 }, due: 0 })
    expect((await place.keywright(['stats'])).out).toMatch(/^by state +active 1$/m)
  })

  it('leave and enter as keysets', async () => {
    const ciphertext = await place.encrypt('x', '--key-type', 'pii')
    const unsaid = await place.keywright(['keyset', 'export', 'pii', '--clear', '--out', 'clear.json'])
    expect(unsaid.code).toBe(2)
    expect(unsaid.err).toContain('warning:')
    expect(existsSync('clear.json')).toBe(false)
    expect(
      (await place.keywright(['keyset', 'export', 'pii', '--clear', '--yes', '--out', 'clear.json'])).code,
    ).toBe(0)
    expect(statSync('clear.json').mode & 0o777).toBe(0o600)
    expect(
      (await place.keywright(['keyset', 'export', 'pii', '--under', 'file', '--out', 'clear.json'])).err,
    ).toContain('there is a file already')
    const other = {
      env: { ENCRYPTION_KEY_STORE_URL: 'sqlite:other.db', ENCRYPTION_AUDIT_PATH: 'other.jsonl' },
    }
    writeFileSync('empty.json', '{}')
    const made = await place.keywright(['init', '--config', 'other.json'], other)
    expect(made.code).toBe(0)
    const imported = await place.keywright(['keyset', 'import', 'pii', '--in', 'clear.json'], other)
    expect(imported.out).toBe('imported 1 key into pii\n')
    expect((await place.keywright(['decrypt', ciphertext], other)).out).toBe('x\n')
    expect(
      (await place.keywright(['keyset', 'import', 'pii', '--tenant', 't', '--in', 'empty.json'])).code,
    ).toBe(1)
  })
})

describe('policy and audit', () => {
  beforeEach(() => place.init())

  it('explains fields, key types and refusals', async () => {
    const field = await place.keywright(['explain', 'users.email'])
    expect(field.code).toBe(0)
    expect(field.out).toContain('Key type: pii; field matches the selector "*.email"')
    expect((await place.keywright(['explain', 'financial_data'])).out).toContain('90 days')
    const none = await place.keywright(['explain', 'users.shoe_size'])
    expect(none.code).toBe(1)
    expect(none.out).toContain('ERR_FIELD_UNMATCHED')
  })

  it('plans another policy, and fails where data would be out of reach', async () => {
    const ciphertext = await place.encrypt('x', '--key-type', 'pii')
    expect(ciphertext).toContain('kw1.')
    const document = JSON.parse(place.read('config/encryption.json'))
    writeFileSync(
      'new.json',
      JSON.stringify({ ...document, keyTypes: { pii: { rotation: { age: '30d' } } } }),
    )
    const plan = await place.keywright(['plan', 'new.json'])
    expect(plan.code).toBe(0)
    expect(plan.out).toContain('pii: changed, 1 key')
    expect(plan.out).toContain('rotation.age: 180 days -> 30 days')
    expect((await place.keywright(['plan', 'config/encryption.json'])).out).toBe('nothing would change\n')
    writeFileSync('bad.json', JSON.stringify({ ...document, keyTypes: { pii: { tenants: 'required' } } }))
    expect((await place.keywright(['plan', 'bad.json'])).code).toBe(1)
  })

  it('prints the schema', async () => {
    const { out } = await place.keywright(['schema'])
    expect(JSON.parse(out)).toEqual(
      JSON.parse(readFileSync(new URL('../../schema/encryption.schema.json', import.meta.url), 'utf8')),
    )
  })

  it('lists, verifies and prunes the log', async () => {
    await place.encrypt('x', '--key-type', 'pii')
    const last = await place.keywright(['audit', 'list', '--last', '1'])
    expect(last.out).toMatch(/^ +4 {2}\d{4}-.*Z {2}key\.create +pii v1, key \d+, provider=file, by cli/)
    expect(
      (await place.keywright(['audit', 'list', '--since', '1h', '--limit', '2', '--json'])).out
        .trim()
        .split('\n'),
    ).toHaveLength(2)
    expect((await place.keywright(['audit', 'verify'])).out).toMatch(/^ok: 4 records/)
    expect((await place.keywright(['audit', 'prune', '--reason', 'tidy'])).err).toContain(
      'keeps audit records for ever',
    )
    const pruned = await place.keywright(['audit', 'prune', '--reason', 'tidy', '--before', '1d'], {
      later: 9 * DAY_MS,
    })
    expect(pruned.out).toMatch(/^[45] records dropped\n$/)
    expect((await place.keywright(['audit', 'verify'])).code).toBe(0)
    writeFileSync(
      '.keywright/audit.jsonl',
      place.read('.keywright/audit.jsonl').replace('"reason":"tidy"', '"reason":"tidz"'),
    )
    const changed = await place.keywright(['audit', 'verify'])
    expect(changed.code).toBe(1)
    expect(changed.out).toMatch(/^CHANGED: /)
    expect(changed.out).toContain('edited')
  })

  it('says so where the log is switched off', async () => {
    for (const command of ['list', 'verify']) {
      const { code, out, err } = await place.keywright(['audit', command, '--audit', 'off'])
      expect({ code, out }).toEqual({ code: 2, out: '' })
      expect(err).toContain('hint: ')
    }
    expect((await place.keywright(['doctor', '--audit', 'off'])).out).toMatch(
      /^warning +audit log +it is switched off/m,
    )
  })

  it('tells health', async () => {
    expect(await place.json(['check'])).toMatchObject({ state: 'ok' })
    const failed = await place.keywright(['check'], {
      env: { ENCRYPTION_MASTER_KEY: Buffer.alloc(32, 'ab').toString('base64') },
    })
    expect(failed.code).toBe(1)
    expect(failed.out).toMatch(/^failed {2}provider/m)
  })
})

describe('config', () => {
  it('says where each value comes from, and shows no secret', async () => {
    await place.init()
    const env = { ENCRYPTION_PERFORMANCE_MODE: 'security', ENCRYPTION_KEY_ID: undefined }
    const rows = (await place.json(['config', '--audit', 'a.jsonl'], { env })) as { name: string }[]
    const row = (name: string) => rows.find((one) => one.name === name)
    expect(row('audit log')).toMatchObject({ value: 'a.jsonl', source: 'option' })
    expect(row('performance mode')).toMatchObject({
      value: 'security',
      source: 'environment',
      from: 'ENCRYPTION_PERFORMANCE_MODE',
    })
    expect(row('file: path')).toMatchObject({ value: '.keywright/master.keys', source: 'policy document' })
    expect(row('root key')).toMatchObject({ value: '(set, not shown)', source: 'environment' })
    expect(row('key store')).toMatchObject({ source: 'default' })
    expect(row('file: masterKeyId')).not.toHaveProperty('value')
    const { out, err } = await place.keywright(['config'])
    expect(out + err).not.toContain(place.rootKey)
  })

  it('shows what is known where nothing is configured, and says so', async () => {
    const { code, out, err } = await place.keywright(['config'], {
      env: { ENCRYPTION_KEY_STORE_URL: 'redis://u:pw@h/0' },
    })
    expect(code).toBe(2)
    expect(out).toMatch(/^backend +\(not set\)/m)
    expect(out).not.toContain('pw')
    expect(err).toContain('ERR_BACKEND_MISSING')
  })
})

describe('doctor', () => {
  it('finds everything in order after init', async () => {
    await place.init()
    await place.encrypt('x', '--key-type', 'pii')
    const { code, out, err } = await place.keywright(['doctor'])
    expect(out).not.toMatch(/^failed/m)
    expect(code).toBe(0)
    for (const name of ['Node', 'AES', 'clock', 'provider file', 'key store', 'audit chain', 'rotation']) {
      expect(out).toMatch(new RegExp(`^(ok|warning) +${name} `, 'm'))
    }
    expect(err).toMatch(/\d+ checks, 0 failed/)
  })

  it('reports where nothing is configured', async () => {
    const { code, out } = await place.keywright(['doctor'])
    expect(code).toBe(1)
    expect(out).toMatch(/^failed +configuration +no backend is configured.*\n +hint: run `keywright init`/m)
  })

  it('reports every problem of the environment at once, and unknown variables with the nearest name', async () => {
    const env = {
      ENCRYPTION_AUTO_ROTATION: 'maybe',
      ENCRYPTION_ROTATION_INTERVAL_DAYS: '-1',
      ENCRYPTION_MASTR_KEY: 'hunter2',
    }
    const { code, out } = await place.keywright(['doctor'], { env })
    expect(code).toBe(1)
    expect(out).toContain('ENCRYPTION_AUTO_ROTATION expects true or false')
    expect(out).toContain('ENCRYPTION_ROTATION_INTERVAL_DAYS expects')
    expect(out).toMatch(
      /ENCRYPTION_MASTR_KEY is set, and nothing reads it\n +hint: did you mean ENCRYPTION_MASTER_KEY\?/,
    )
    expect(out).not.toMatch(/hunter2|maybe/)
  })

  it('finds wide modes, a wrong root key, a changed log, a record from the future and late rotations', async () => {
    await place.init()
    await place.encrypt('x', '--key-type', 'pii')
    chmodSync('.keywright/keys.db', 0o644)
    expect((await place.keywright(['doctor'])).out).toMatch(/^warning +key store .*mode 0644/m)
    chmodSync('.keywright/keys.db', 0o600)
    const wrong = await place.keywright(['doctor'], {
      env: { ENCRYPTION_MASTER_KEY: Buffer.alloc(32, 'ab').toString('base64') },
    })
    expect(wrong.out).toMatch(/^failed +provider file .*ERR_ROOT_SECRET_WRONG/m)
    expect((await place.keywright(['doctor'], { later: 400 * DAY_MS })).out).toMatch(
      /^warning +rotation .*1 key overdue: pii/m,
    )
    expect((await place.keywright(['doctor'], { later: -DAY_MS })).out).toMatch(
      /^failed +audit chain .*in the future/m,
    )
    writeFileSync(
      '.keywright/audit.jsonl',
      place.read('.keywright/audit.jsonl').replace('"sealed":true', '"sealed":false'),
    )
    const changed = await place.keywright(['doctor'])
    expect(changed.code).toBe(1)
    expect(changed.out).toMatch(/^failed +audit chain /m)
  })
})

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])('%s knows commands and options', async (shell) => {
    const { code, out } = await place.keywright(['completion', shell])
    expect(code).toBe(0)
    for (const word of ['records', 'rotate', 'override-reason']) expect(out).toContain(word)
  })
})
