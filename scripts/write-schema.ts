/** Writes schema/encryption.schema.json from the schema that the program checks documents with. */
import { writeFileSync } from 'node:fs'
import { policyJsonSchema } from '../src/policy/document.ts'

const target = new URL('../schema/encryption.schema.json', import.meta.url)
writeFileSync(target, `${JSON.stringify(policyJsonSchema(), null, 2)}\n`)
