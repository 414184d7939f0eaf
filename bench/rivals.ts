/** How do other libraries do with the same field of 100 bytes? They live in bench/rivals with a lock file of their own. */
import { existsSync } from 'node:fs'
import memoryProvider from '../providers/memory.ts'
import { createKeywright } from '../src/index.ts'
import { openStore } from '../stores/index.ts'
import { bareLoop } from './bare.ts'
import { type Contender, interleave, printTable } from './kit.ts'

const GOALS = { cloak: 'ours ≥ 6 ×', jose: 'ours ≥ 20 ×', aws: 'ours ≥ 100 ×' }

interface Rival {
  readonly name: string
  readonly version: string
  readonly note: string
  setup(): Promise<{ encrypt(text: string): unknown; decrypt(sealed: never): unknown }>
}

export async function run(): Promise<void> {
  const folder = new URL('./rivals/', import.meta.url)
  if (!existsSync(new URL('node_modules/', folder))) {
    console.log('\nrivals are not installed: npm ci --prefix bench/rivals')
    return
  }
  const { rivals } = (await import(new URL('rivals.mjs', folder).href)) as { rivals: readonly Rival[] }
  await using kw = createKeywright({ provider: memoryProvider(), store: await openStore('memory:') })
  const field = await kw.field('users.email').ready()
  const text = 'abcdefghij'.repeat(10)
  const bare = bareLoop(Buffer.from('{"column":"email","keyring":"pii","table":"users"}'))
  const encryption: Contender[] = [
    { name: 'keywright encryptSync', run: () => field.encryptSync(text) },
    { name: 'node:crypto', run: () => bare.encrypt(text) },
  ]
  const sealed = field.encryptSync(text)
  const theirs = bare.encrypt(text)
  const decryption: Contender[] = [
    { name: 'keywright decryptSync', run: () => field.decryptSync(sealed) },
    { name: 'node:crypto', run: () => bare.decrypt(theirs) },
  ]
  for (const rival of rivals) {
    const { encrypt, decrypt } = await rival.setup()
    const name = `${rival.name} ${rival.version}`
    const example = (await encrypt(text)) as never
    encryption.push({ name, run: () => encrypt(text) })
    decryption.push({ name, run: () => decrypt(example) })
  }
  printTable('encrypt 100 bytes, beside others', await interleave(encryption, 15), GOALS)
  printTable('decrypt 100 bytes, beside others', await interleave(decryption, 15), GOALS)
}
