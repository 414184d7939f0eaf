/** The command line with secrets in its input, arguments and environment: nothing it prints may hold one. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeKeysetJson } from '../../src/crypto/tink-keyset-json.ts'
import { CanarySearch } from './canaries.ts'
import { ENVIRONMENT, type Lab, openLab, POLICY, SECRETS, unwrappedKeys } from './lab.ts'
import { MAIN, type Printed, runScript } from './program.ts'

const text = SECRETS.text.value
const line = `${SECRETS.login.value}` // without a line feed, for CSV and arguments
const base64 = SECRETS.rootKey.value.toString('base64')

let lab: Lab
let search: CanarySearch
beforeAll(async () => {
  lab = await openLab()
  search = new CanarySearch([...Object.values(SECRETS), ...(await unwrappedKeys(lab))])
})
afterAll(() => lab.close())

interface Row {
  readonly args: readonly string[]
  readonly input?: string | Uint8Array
  readonly environment?: Readonly<Record<string, string>>
  /** Files that stand in the working directory. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>
}

async function run({ args, input = '', environment = {}, files = {} }: Row): Promise<Printed> {
  const cwd = join(lab.newFolder(), 'work')
  mkdirSync(cwd)
  for (const [name, content] of Object.entries(files)) writeFileSync(join(cwd, name), content)
  const base = {
    ...ENVIRONMENT,
    ENCRYPTION_KEY_STORAGE_PATH: join(lab.folder, 'master.keys'),
    ENCRYPTION_CONFIG: lab.newFile(JSON.stringify(POLICY)),
  }
  return runScript(MAIN, args, { cwd, input, environment: { ...base, ...environment } })
}

const keyset = encodeKeysetJson({
  primaryKeyId: 9,
  keys: [
    { id: 9, status: 'ENABLED', prefix: 'TINK', algorithm: 'AES-256-GCM', key: SECRETS.importedKey.value },
  ],
})
const csv = (rows: string): Record<string, string> => ({ 'people.csv': `id,email\n${rows}` })
const encryptCsv = ['records', 'encrypt', '--in', 'people.csv', '--out', 'out.csv']
const decryptCsv = ['records', 'decrypt', '--in', 'people.csv', '--out', 'out.csv']

const FAILING: Readonly<Record<string, Row>> = {
  'an unknown key type': { args: ['encrypt', '--key-type', 'nope'], input: text },
  'a value as key type': { args: ['encrypt', '--key-type', text], input: 'x' },
  'a value too many': { args: ['encrypt', '--key-type', 'pii', line, line] },
  'an unknown option with a value': {
    args: ['encrypt', '--key-type', 'pii', `--secret=${line}`],
    input: text,
  },
  'an unknown command': { args: [line] },
  'a value as type': { args: ['encrypt', '--field', 'users.email', '--as', line], input: text },
  'a value of another type': { args: ['encrypt', '--field', 'users.email', '--as', 'number'], input: text },
  'a context without a name': { args: ['encrypt', '--key-type', 'pii', '--context', text], input: 'x' },
  'plain text to decrypt': { args: ['decrypt'], input: text },
  'plain text to decrypt as argument': { args: ['decrypt', line] },
  'plain bytes to decrypt': { args: ['decrypt'], input: SECRETS.bytes.value },
  'plain text to inspect': { args: ['inspect'], input: text },
  'plain text to inspect as argument': { args: ['inspect', line] },
  'a value as field of a search token': { args: ['hash', line, 'x', 'y'] },
  'a value as key id': { args: ['keys', 'suspend', line, '--reason', 'x'] },
  'a value as filter': { args: ['keys', 'list', '--state', line] },
  'a value as field': { args: ['explain', `${line}.${line}`] },
  'a keyset that is cut': {
    args: ['keyset', 'import', 'pii', '--in', 'k.json', '--tenant', 'new'],
    files: { 'k.json': keyset.slice(0, -20) },
  },
  'a keyset with a typing error': {
    args: ['keyset', 'import', 'pii', '--in', 'k.json', '--tenant', 'new'],
    files: { 'k.json': keyset.replace('"value"', '"vaule"') },
  },
  'a row with a column too many': { args: encryptCsv, files: csv(`1,${line}\n2,${line},${line}\n`) },
  'a row with an open quote': { args: encryptCsv, files: csv(`1,"${line}\n2,${line}\n`) },
  'a row with a quote inside': { args: encryptCsv, files: csv(`1,${line}"${line}\n`) },
  'a row that was never encrypted': { args: decryptCsv, files: csv(`1,${line}\n`) },
  'JSON Lines that are no JSON': {
    args: ['records', 'encrypt', '--in', 'people.jsonl', '--out', 'out.jsonl'],
    files: { 'people.jsonl': `{"email": ${JSON.stringify(text)}}\n{"email": ${JSON.stringify(text)}\n` },
  },
  'JSON Lines that were never encrypted': {
    args: ['records', 'decrypt', '--in', 'people.jsonl', '--out', 'out.jsonl'],
    files: { 'people.jsonl': `{"email": ${JSON.stringify(text)}}\n` },
  },
  'a policy with a value in the wrong place': {
    args: ['plan', 'policy.json'],
    files: { 'policy.json': JSON.stringify({ keyTypes: { pii: { maxAge: SECRETS.setting.value } } }) },
  },
  'a policy that is no JSON': { args: ['plan', 'policy.json'], files: { 'policy.json': `{"a": "${line}` } },
  'a damaged root key': { args: ['keys', 'list'], environment: { ENCRYPTION_MASTER_KEY: base64.slice(4) } },
  'another root key': {
    args: ['encrypt', '--key-type', 'pii'],
    input: text,
    environment: { ENCRYPTION_MASTER_KEY: SECRETS.otherRootKey.value.toString('hex') },
  },
  'a root key as path of its file': {
    args: ['encrypt', '--key-type', 'pii'],
    input: text,
    environment: { ENCRYPTION_MASTER_KEY: '', ENCRYPTION_MASTER_KEY_FILE: base64 },
  },
  'a store URL with a password': {
    args: ['keys', 'list'],
    environment: { ENCRYPTION_KEY_STORE_URL: `postgres://user:${line}@127.0.0.1:1/keys` },
  },
  'a store URL with a password as option': { args: ['keys', 'list', '--store', `mysql://u:${line}@h/k`] },
  'a backend that is none': { args: ['keys', 'list', '--backend', line] },
  'init with a damaged root key': {
    args: ['init'],
    environment: { ENCRYPTION_MASTER_KEY: base64.slice(1), ENCRYPTION_KEY_STORAGE_PATH: 'new/master.keys' },
  },
  'doctor with another root key': {
    args: ['doctor'],
    environment: { ENCRYPTION_MASTER_KEY: SECRETS.otherRootKey.value.toString('base64') },
  },
}

const SECRET_SETTINGS = {
  ENCRYPTION_VAULT_TOKEN: SECRETS.variable.value,
  ENCRYPTION_AWS_SECRET_ACCESS_KEY: SECRETS.variable.value,
  ENCRYPTION_AZURE_CLIENT_SECRET: SECRETS.variable.value,
  ENCRYPTION_REDIS_URL: `redis://:${line}@127.0.0.1:1/0`,
}

const WORKING: Readonly<Record<string, Row>> = {
  config: { args: ['config'], environment: SECRET_SETTINGS },
  doctor: { args: ['doctor'], environment: SECRET_SETTINGS },
  'keys list': { args: ['keys', 'list'] },
  stats: { args: ['stats'] },
  explain: { args: ['explain', 'users.email'] },
  encrypt: { args: ['encrypt', '--key-type', 'pii'], input: text },
  'encrypt an argument': { args: ['encrypt', '--key-type', 'pii', line] },
  'encrypt bytes': {
    args: ['encrypt', '--key-type', 'pii'],
    input: Buffer.from([0xff, ...SECRETS.bytes.value]),
  },
  hash: { args: ['hash', 'users.email'], input: line },
}

const FORMS: readonly (readonly string[])[] = [[], ['--json']]

describe('the command line prints no secret', () => {
  it.each(Object.entries(FAILING))('when it fails: %s', async (_, row) => {
    for (const form of FORMS) {
      const { code, output } = await run({ ...row, args: [...row.args, ...form] })
      expect([1, 2], String(output)).toContain(code)
      expect(String(output), 'a fault of its own proves nothing').not.toContain('ERR_INTERNAL')
      expect(search.find(output), 'what was printed').toEqual([])
    }
  })

  it.each(Object.entries(WORKING))('when it works: %s', async (_, row) => {
    for (const form of FORMS) {
      const { code, output } = await run({ ...row, args: [...row.args, ...form] })
      expect(code, String(output)).toBe(0)
      expect(search.find(output)).toEqual([])
    }
  })

  it('and the search would see one: decrypt prints it', async () => {
    const { code, output } = await run({ args: ['decrypt'], input: lab.ciphertext })
    expect(code).toBe(0)
    expect(search.find(output).map(({ canary }) => canary)).toContain('plaintext')
  })
})

describe('what Node prints of an error that nobody catches', () => {
  const UNCAUGHT = join(import.meta.dirname, 'uncaught.ts')
  it.each<[string, Readonly<Record<string, string>>]>([
    ['plain text to decrypt', {}],
    ['a damaged root key', { ENCRYPTION_MASTER_KEY: `${base64}${base64}` }],
    ['another root key', { ENCRYPTION_MASTER_KEY: SECRETS.otherRootKey.value.toString('hex') }],
    ['a wrong setting', { ENCRYPTION_PERFORMANCE_MODE: SECRETS.variable.value }],
  ])('%s', async (_, environment) => {
    const { code, output } = await runScript(UNCAUGHT, [join(lab.folder, 'master.keys'), line], {
      cwd: lab.newFolder(),
      environment: { ...ENVIRONMENT, ...environment },
    })
    expect(code).toBe(1)
    expect(String(output)).toContain('KeywrightError')
    expect(search.find(output)).toEqual([])
  })
})
