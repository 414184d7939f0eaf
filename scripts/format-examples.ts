/**
 * The worked examples of docs/format.md. Keys, ids and times are fixed; nonces, salts and master keys are random, so
 * a set is made once and frozen in test/vectors/keywright-v1.json.
 *
 *   node scripts/format-examples.ts new    prints a new set; it never replaces the frozen one
 *   node scripts/format-examples.ts fill   writes the frozen set into the example blocks of docs/format.md
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { auditExamples } from './format-examples/audit.ts'
import { fileExample } from './format-examples/files.ts'
import { keyFileExample, wrapExample } from './format-examples/key-file.ts'
import { keyExamples, recordExample } from './format-examples/keys.ts'
import { sealedExamples } from './format-examples/sealed.ts'
import { openSetUp } from './format-examples/set-up.ts'
import { contextExample, rejectedExample, tokenExample, valueExamples } from './format-examples/values.ts'

const ROOT = join(import.meta.dirname, '..')
const DOCUMENT = join(ROOT, 'docs/format.md')
const VECTORS = join(ROOT, 'test/vectors/keywright-v1.json')
/** Controls, white space and combining marks beyond ASCII. */
const UNSEEN = /[\u007f-\u00a0]|[\u0300-\u036f]|[\u2028\u2029]/g
const BLOCK = /```json\n(\{\n {2}"example": "([a-z0-9-]+)"[^`]*)\n```/g

type Example = { readonly example: string }

/** A new set, made by the library from end to end. */
async function makeExamples(): Promise<Example[]> {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-examples-'))
  const setUp = await openSetUp(folder)
  try {
    const values = await valueExamples(setUp)
    return [
      contextExample(),
      ...keyExamples(),
      ...values,
      rejectedExample(values),
      await tokenExample(setUp),
      recordExample(setUp),
      await keyFileExample(setUp),
      await wrapExample(setUp),
      ...(await sealedExamples(setUp)),
      ...(await auditExamples(setUp)),
      await fileExample(setUp.keywright),
    ]
  } finally {
    await setUp.keywright.close()
    rmSync(folder, { recursive: true })
  }
}

/** JSON in which a reader sees every character. */
function print(value: unknown): string {
  const text = JSON.stringify(value, null, 2)
  return text.replace(UNSEEN, (unseen) => `\\u${unseen.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Puts the frozen examples into the blocks that name them. */
function fillDocument(): void {
  const { examples } = JSON.parse(readFileSync(VECTORS, 'utf8')) as { examples: Example[] }
  const filled = readFileSync(DOCUMENT, 'utf8').replace(BLOCK, (_, _block, name: string) => {
    const found = examples.find(({ example }) => example === name)
    if (found === undefined) throw new Error(`docs/format.md names an example that does not exist: ${name}`)
    return `\`\`\`json\n${print(found)}\n\`\`\``
  })
  writeFileSync(DOCUMENT, filled)
}

const [mode] = process.argv.slice(2)
if (mode === 'new') {
  const about = 'Keywright format 1: frozen. A later version must read all of it. Never edit this file.'
  process.stdout.write(`${print({ about, examples: await makeExamples() })}\n`)
} else if (mode === 'fill') fillDocument()
else {
  process.stderr.write('usage: node scripts/format-examples.ts new|fill\n')
  process.exitCode = 2
}
