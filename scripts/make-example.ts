/** `npm run example`: writes examples/customers.csv, always the same 600 rows. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { customersCsv } from './example/customers.ts'

const path = join(import.meta.dirname, '..', 'examples', 'customers.csv')
writeFileSync(path, customersCsv())
process.stderr.write(`keywright: wrote ${path}\n`)
