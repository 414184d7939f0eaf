import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect, promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ciphertextsOf, encryptedMembers, restore } from '../../src/integrations/decorators.ts'
import { encryptedMethod } from '../../src/integrations/functions.ts'
import type { Keywright } from '../../src/keywright.ts'
import { World } from '../kit/world.ts'
import type { Decorated } from './decorated.ts'

const MAIL = 'ada@example.com'
let world: World
let kw: Keywright

const encrypted = encryptedMembers(() => kw)

let User: Decorated['User']
let Plain: Decorated['Plain']
let Row: Decorated['Row']
let classes: Decorated
let folder: string

beforeAll(async () => {
  // Neither Node nor vitest compiles decorators: TypeScript does it, without any flag for them.
  folder = await mkdtemp(join(tmpdir(), 'keywright-decorators-'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  const options = ['--outDir', folder, '--target', 'es2022', '--module', 'nodenext', '--skipLibCheck']
  const source = join(import.meta.dirname, 'decorated.ts')
  const program = [
    '--ignoreConfig',
    '--allowImportingTsExtensions',
    '--rewriteRelativeImportExtensions',
    source,
  ]
  const tsc = join(import.meta.dirname, '../../node_modules/typescript/bin/tsc')
  await promisify(execFile)(process.execPath, [tsc, ...options, ...program], { cwd: folder }).catch(
    () => undefined,
  )
  const [compiled = ''] = globSync('**/decorated.js', { cwd: folder })
  const { define } = await import(pathToFileURL(join(folder, compiled)).href)
  classes = define(
    encrypted,
    encryptedMethod(() => kw, { params: ['users.email'], returns: 'pii' }),
  )
  ;({ User, Plain, Row } = classes)
}, 60_000)
afterAll(() => rm(folder, { recursive: true }))

beforeEach(async () => {
  world = new World()
  kw = world.open()
  await kw.ready(['pii', 'financial_data'], { all: true })
})
afterEach(() => world.end())

describe.each([
  ['an accessor', () => new User()],
  ['a field', () => new Plain()],
])('%s', (_, make) => {
  it('gives the value and holds the ciphertext', () => {
    const one = make()
    expect(one.email).toBe(MAIL)
    one.email = 'grace@example.com'
    expect(one.email).toBe('grace@example.com')
    expect(ciphertextsOf(one)['email']).toMatch(/^kw1\./)
    expect(ciphertextsOf(make())['email']).not.toBe(ciphertextsOf(make())['email'])
  })

  it.each<[string, (one: object) => string]>([
    ['JSON.stringify', JSON.stringify],
    ['util.inspect', (one) => inspect(one)],
    ['util.inspect, everything', (one) => inspect(one, { showHidden: true, getters: true, depth: 9 })],
    ['a copy', (one) => inspect({ ...one })],
    ['Object.assign', (one) => JSON.stringify(Object.assign({}, one))],
    ['structuredClone', (one) => JSON.stringify(structuredClone({ ...one }))],
    ['Object.entries', (one) => JSON.stringify(Object.entries(one))],
  ])('shows no plaintext to %s', (_name, print) => {
    expect(print(make())).not.toContain(MAIL)
  })

  it('shows the ciphertext where it shows anything', () => {
    const one = make()
    expect(JSON.parse(JSON.stringify(one)).email).toBe(ciphertextsOf(one)['email'])
    expect(inspect(one)).toContain(ciphertextsOf(one)['email'])
    expect(inspect(one)).toContain(one.constructor.name)
  })

  it('takes stored ciphertexts back', () => {
    const first = make()
    first.email = 'grace@example.com'
    const second = restore(make(), { email: ciphertextsOf(first)['email'] })
    expect(second.email).toBe('grace@example.com')
    expect(() => restore(make(), { email: MAIL })).toThrow(
      expect.objectContaining({ code: 'ERR_NOT_CIPHERTEXT' }),
    )
    expect(() => restore(make(), { other: null })).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT_INVALID', hint: expect.stringContaining('decorator') }),
    )
  })
})

describe('members', () => {
  it('keep null, undefined and the empty string, and their type', () => {
    const user = new User()
    expect(user.income).toBeNull()
    user.income = 4200.5
    expect(user.income).toBe(4200.5)
    user.email = ''
    expect(user.email).toBe('')
    expect(ciphertextsOf(user)['email']).toMatch(/^kw1\./)
    const plain = new Plain()
    plain.email = undefined
    expect(plain.email).toBeUndefined()
  })

  it('do not open what was moved from another member or changed', () => {
    const user = new User()
    user.income = 1
    restore(user, { email: ciphertextsOf(user)['income'] ?? null })
    expect(() => user.email).toThrow(
      expect.objectContaining({
        code: 'ERR_KEYRING_MISMATCH',
        message: expect.stringContaining('"users.email"'),
      }),
    )
  })

  it('are bound to their row where told so', () => {
    const row = new Row(7)
    row.ssn = '078-05-1120'
    const other = restore(new Row(8), { ssn: ciphertextsOf(row)['ssn'] })
    expect(() => other.ssn).toThrow(expect.objectContaining({ code: 'ERR_DECRYPTION_FAILED' }))
    other.id = 7
    expect(other.ssn).toBe('078-05-1120')
    expect(() => {
      new Row().ssn = 'x'
    }).toThrow(
      expect.objectContaining({ code: 'ERR_CONTEXT_INVALID', hint: expect.stringContaining('"id"') }),
    )
  })

  it('keep a toJSON of the class, and are inherited', () => {
    const { Own, Derived } = classes
    expect(JSON.stringify(new Own())).toBe('"mine"')
    const derived = new Derived()
    expect([derived.email, derived.phone]).toEqual([MAIL, '555'])
    expect(Object.keys(JSON.parse(JSON.stringify(derived))).sort()).toEqual([
      'email',
      'id',
      'income',
      'phone',
    ])
  })

  it('read what was encrypted before a rotation', async () => {
    const user = new User()
    await kw.keys.rotate('pii', { force: true, now: true })
    await kw.ready(['pii'], { all: true })
    expect(user.email).toBe(MAIL)
  })

  it('say what to load when the keys are not', async () => {
    kw = world.open()
    expect(() => new User()).toThrow(
      expect.objectContaining({
        code: 'ERR_KEY_NOT_LOADED',
        hint: expect.stringContaining("kw.ready(['pii']"),
      }),
    )
    await encrypted.ready()
    expect(new User().email).toBe(MAIL)
  })

  it.each(['ofPrivate', 'ofStatic'] as const)('cannot be private or static: %s', (make) => {
    expect(classes[make]).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT_INVALID' }))
  })

  it('can be decorated by hand, where no compiler does it', () => {
    const storage: { value: string | undefined } = { value: undefined }
    const target = {
      get: () => storage.value,
      set: (value: string | undefined) => {
        storage.value = value
      },
    }
    const context = { kind: 'accessor', name: 'email', static: false, private: false } as never
    const { get, set, init } = encrypted('users.email')(target, context)
    const one = {}
    init?.call(one, MAIL)
    expect(get?.call(one)).toBe(MAIL)
    set?.call(one, 'b')
    expect([get?.call(one), storage.value]).toEqual(['b', undefined])
    expect(JSON.parse(JSON.stringify(one)).email).toMatch(/^kw1\./)
    expect(Object.hasOwn(Object.prototype, 'toJSON')).toBe(false)
  })

  it('and methods', async () => {
    const out = await new classes.Mail().send(await kw.field('users.email').encrypt(MAIL))
    expect(await kw.decrypt(out, { keyType: 'pii' })).toBe(`me -> ${MAIL}`)
  })

  it('are named by table and column', () => {
    expect(() => encrypted('email')).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT_INVALID', hint: expect.stringContaining('keyType') }),
    )
  })
})
