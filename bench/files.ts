/**
 * What does it cost to encrypt a file of 1 GiB on tmpfs, beside cp, age, a pipeline through createCipheriv, and the AWS
 * Encryption SDK? Everything in turns; the built package, so that workers start as they do for users.
 */
import { execFileSync, spawn } from 'node:child_process'
import { createCipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Keywright } from '../src/index.ts'
import { debianPackages, findProgram } from '../src/testing/native/debian.ts'
import { type Contender, interleave, printTable } from './kit.ts'

const BYTES = 2 ** 30
const ROUNDS = 7
const TMPFS = '/dev/shm'

export async function run(): Promise<void> {
  const folder = mkdtempSync(join(TMPFS, 'keywright-bench-'))
  const keywright = await openBuilt()
  try {
    await write(join(folder, 'in'))
    const place = { folder, keywright, input: join(folder, 'in'), output: join(folder, 'out') }
    await encryption(place)
    await decryption(place)
  } finally {
    await keywright.close()
    rmSync(folder, { recursive: true })
  }
}

interface Place {
  readonly folder: string
  readonly keywright: Keywright
  readonly input: string
  readonly output: string
}

const PII = { keyType: 'pii' } as const

async function encryption({ folder, keywright, input, output }: Place): Promise<void> {
  const { files } = keywright
  const fresh = async (work: () => Promise<unknown>): Promise<void> => {
    rmSync(output, { force: true })
    await work()
  }
  const contenders: Contender[] = [
    { name: 'cp', run: () => fresh(() => program('cp', input, output)) },
    { name: 'encryptFile', run: () => fresh(() => files.encryptFile(input, output, PII)) },
    {
      name: 'encryptFile, two workers',
      run: () => fresh(() => files.encryptFile(input, output, { ...PII, workers: 2 })),
    },
    {
      name: 'pipeline(encryptStream)',
      run: () => fresh(async () => through(input, await files.encryptStream(PII), output)),
    },
    { name: 'pipeline(createCipheriv)', run: () => fresh(() => through(input, bareCipher(), output)) },
    ...(await age(folder, input, output)).map((one) => ({ ...one, run: () => fresh(one.run) })),
    ...(await awsEncryptionSdk(input, output)).map((one) => ({ ...one, run: () => fresh(one.run) })),
  ].map((contender) => ({ ...contender, batch: 1 }))
  const measured = await interleave(contenders, ROUNDS)
  printTable('encrypt a file of 1 GiB', measured, {
    encryptFile: '≥ 0.55, and ≥ 1.3 × the pipeline',
    'encryptFile, two workers': '≥ 0.75, and ≥ 1.15 × age',
    'pipeline(encryptStream)': '≥ 0.95 × the pipeline',
  })
  const ns = (name: string): number => measured.find((one) => one.name.startsWith(name))?.ns ?? Number.NaN
  const said = (what: string, of: string, by: string): void =>
    console.log(`  ${what}: ${(ns(of) / ns(by)).toPrecision(2)}`)
  said('encryptFile to the pipeline', 'pipeline(createCipheriv)', 'encryptFile')
  said('two workers to age', 'age', 'encryptFile, two workers')
  said('the stream to the pipeline', 'pipeline(createCipheriv)', 'pipeline(encryptStream)')
}

async function decryption({ keywright, input, output }: Place): Promise<void> {
  const { files } = keywright
  rmSync(output, { force: true })
  await files.encryptFile(input, output, PII)
  const back = `${output}-back`
  const fresh = async (work: () => Promise<unknown>): Promise<void> => {
    rmSync(back, { force: true })
    await work()
  }
  const contenders: Contender[] = [
    { name: 'cp', run: () => fresh(() => program('cp', output, back)) },
    { name: 'decryptFile', run: () => fresh(() => files.decryptFile(output, back)) },
    {
      name: 'decryptFile, two workers',
      run: () => fresh(() => files.decryptFile(output, back, { workers: 2 })),
    },
    {
      name: 'pipeline(decryptStream)',
      run: () => fresh(async () => through(output, await files.decryptStream(), back)),
    },
  ].map((contender) => ({ ...contender, batch: 1 }))
  printTable('decrypt it', await interleave(contenders, ROUNDS))
}

/** The library as users have it. */
async function openBuilt(): Promise<Keywright> {
  const built = (path: string): string => new URL(`../dist/${path}`, import.meta.url).href
  const { createKeywright } = (await import(built('src/index.js'))) as typeof import('../src/index.ts')
  const provider = (await import(built('providers/memory.js'))) as typeof import('../providers/memory.ts')
  const store = (await import(built('stores/memory.js'))) as typeof import('../stores/memory.ts')
  return createKeywright({ provider: provider.default(), store: store.default() })
}

/** Random bytes, so that nothing can be skipped. */
async function write(path: string): Promise<void> {
  const file = await open(path, 'w')
  for (let at = 0; at < BYTES; at += 2 ** 24) await file.write(randomBytes(2 ** 24))
  await file.close()
}

async function program(name: string, ...args: string[]): Promise<void> {
  const [code] = await once(spawn(name, args, { stdio: 'ignore' }), 'close')
  if (code !== 0) throw new Error(`${name} failed`)
}

const through = (input: string, transform: NodeJS.ReadWriteStream, output: string): Promise<void> =>
  pipeline(createReadStream(input), transform, createWriteStream(output))

const bareCipher = (): Transform =>
  createCipheriv('aes-256-gcm', createSecretKey(randomBytes(32)), randomBytes(12)) as unknown as Transform

/** Debian's age, for a key of its own. */
async function age(
  folder: string,
  input: string,
  output: string,
): Promise<{ name: string; run: () => Promise<void> }[]> {
  const missing = await debianPackages(['age'], () => findProgram('age'))
  const path = findProgram('age')
  if (missing !== undefined || path === undefined) {
    console.log(`\nage is not measured: ${missing?.reason}; ${missing?.remedy}`)
    return []
  }
  const identity = join(folder, 'age.key')
  execFileSync(findProgram('age-keygen') ?? 'age-keygen', ['-o', identity], { stdio: 'ignore' })
  const recipient = execFileSync(findProgram('age-keygen') ?? 'age-keygen', ['-y', identity], {
    encoding: 'utf8',
  })
  const version = execFileSync(path, ['--version'], { encoding: 'utf8' }).trim()
  return [{ name: `age ${version}`, run: () => program(path, '-r', recipient.trim(), '-o', output, input) }]
}

/** The AWS Encryption SDK under a raw AES key, with frames of 64 KiB. */
async function awsEncryptionSdk(
  input: string,
  output: string,
): Promise<{ name: string; run: () => Promise<void> }[]> {
  const folder = new URL('./rivals/', import.meta.url)
  if (!existsSync(new URL('node_modules/', folder))) {
    console.log('\nAWS is not measured: npm ci --prefix bench/rivals')
    return []
  }
  const { awsEncryptStream } = (await import(new URL('rivals.mjs', folder).href)) as {
    awsEncryptStream(): Promise<() => NodeJS.ReadWriteStream>
  }
  const make = await awsEncryptStream()
  return [{ name: 'AWS encryptStream', run: () => through(input, make(), output) }]
}
