/**
 * `npm run bench [-- question …]`: one question a file, each ratio measured inside one interleaved run.
 * Close other programs first; on a busy machine the quartiles are far apart, and the ratios mean little.
 */
import { cpus } from 'node:os'

const QUESTIONS = {
  field: () => import('./field.ts'),
  records: () => import('./records.ts'),
  start: () => import('./start.ts'),
  'provider-calls': () => import('./provider-calls.ts'),
  providers: () => import('./providers.ts'),
  reencrypt: () => import('./reencrypt.ts'),
  files: () => import('./files.ts'),
  'files-memory': () => import('./files-memory.ts'),
  rivals: () => import('./rivals.ts'),
} as const satisfies Record<string, () => Promise<{ run(): Promise<void> }>>

const asked = process.argv.slice(2)
const names = asked.length === 0 ? Object.keys(QUESTIONS) : asked
const [processor] = cpus()
console.log(
  `${processor?.model}, ${cpus().length} cores, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}`,
)
for (const name of names) {
  if (!Object.hasOwn(QUESTIONS, name)) {
    console.error(`no question "${name}"; there are: ${Object.keys(QUESTIONS).join(', ')}`)
    process.exitCode = 2
    break
  }
  const { run } = await QUESTIONS[name as keyof typeof QUESTIONS]()
  await run()
}
