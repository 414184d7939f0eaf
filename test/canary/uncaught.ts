/** A program without any error handling: node uncaught.ts <key file> <value>. Node prints whatever is thrown. */
import { open } from '../../src/index.ts'

const [path = '', value = ''] = process.argv.slice(2)
const keywright = await open({ path })
await keywright.encrypt('pii', value)
await keywright.decrypt(value)
