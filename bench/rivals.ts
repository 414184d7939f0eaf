/** How do other libraries do with the same field of 100 bytes? They live in bench/rivals with a lock file of their own. */
import { existsSync } from 'node:fs'
import memoryProvider from '../providers/memory.ts'
import { createKeywright } from '../src/index.ts'
import { openStore } from '../stores/index.ts'
import { bareLoop } from './bare.ts'
import { type Contender, interleave, printTable } from './kit.ts'

/** How many times as fast we want to be, by the beginning of a name. */
const GOALS = [
  ['@47ng/cloak', 'at most 0.17 (ours 6 × as fast)'],
  ['jose', 'at most 0.05 (ours 20 ×)'],
  ['AWS', 'at most 0.01 (ours 100 ×)'],
] as const

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
  const kw = await createKeywright({ provider: memoryProvider(), store: await openStore('memory:') })
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
  const goals = Object.fromEntries(
    encryption.flatMap(({ name }) => {
      const goal = GOALS.find(([start]) => name.startsWith(start))
      return goal === undefined ? [] : [[name, goal[1]]]
    }),
  )
  printTable('encrypt 100 bytes, beside others', await interleave(encryption, 15), goals)
  printTable('decrypt 100 bytes, beside others', await interleave(decryption, 15))
  for (const { name, note } of rivals) console.log(`  ${name}: ${note}`)
  await kw.close()
}
