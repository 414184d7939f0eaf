/** An application that knows no backend and no store: everything about them is in its environment. */
import { open } from '../../src/index.ts'

const imported = performance.now()
const [earlier] = process.argv.slice(2)
const kw = await open({ create: earlier === undefined })
const opened = performance.now()
const customer = { id: 7, email: 'ada@example.com', income: 1234.5 }
const records = kw.records({ table: 'customers', row: 'id' })
const sealed = earlier === undefined ? await records.encrypt(customer) : JSON.parse(earlier)
const back = await records.decrypt(sealed as typeof customer)
const first = performance.now()
const token = await kw.hash('customers.email', customer.email)
const keys = (await kw.keys.list()).map(({ keyring, version, state }) => `${keyring} ${version} ${state}`)
await kw.close()
const milliseconds = { import: imported, open: opened - imported, 'first calls': first - opened }
process.stdout.write(`${JSON.stringify({ back, keys, sealed, token, milliseconds })}\n`)
