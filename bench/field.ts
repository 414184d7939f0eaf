/** What does one field cost over bare node:crypto? 10 bytes, 100 bytes, 16 KiB; synchronous and asynchronous. */
import memoryProvider from '../providers/memory.ts'
import { createKeywright } from '../src/index.ts'
import { openStore } from '../stores/index.ts'
import { bareLoop } from './bare.ts'
import { interleave, printTable } from './kit.ts'

const GOALS = { encryptSync: '≥ 0.90', decryptSync: '≥ 0.90', encrypt: '≥ 0.80', decrypt: '≥ 0.80' }

export async function run(): Promise<void> {
  const kw = await createKeywright({ provider: memoryProvider(), store: await openStore('memory:') })
  const field = await kw.field('users.email').ready()
  const bare = bareLoop(Buffer.from('{"column":"email","keyring":"pii","table":"users"}'))
  for (const bytes of [10, 100, 16 * 1024]) {
    const text = 'abcdefghij'.repeat(Math.ceil(bytes / 10)).slice(0, bytes)
    const theirs = bare.encrypt(text)
    const ours = field.encryptSync(text)
    const encryption = await interleave([
      { name: 'node:crypto', run: () => bare.encrypt(text) },
      { name: 'encryptSync', run: () => field.encryptSync(text) },
      { name: 'encrypt', run: () => field.encrypt(text) },
    ])
    printTable(`encrypt a field of ${bytes} bytes`, encryption, GOALS)
    const decryption = await interleave([
      { name: 'node:crypto', run: () => bare.decrypt(theirs) },
      { name: 'decryptSync', run: () => field.decryptSync(ours) },
      { name: 'decrypt', run: () => field.decrypt(ours) },
    ])
    printTable(`decrypt a field of ${bytes} bytes`, decryption, GOALS)
    if (bytes === 100) console.log(`  stored: ${ours.length} characters   goal ≤ 184`)
  }
  await kw.close()
}
