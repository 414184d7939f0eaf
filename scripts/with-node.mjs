/** `node scripts/with-node.mjs program.ts args…`: installs what is missing, then runs the program. */
import { ensure, toolEnvironment } from './ensure.mjs'
import { runForeground } from './run.mjs'

const node = await ensure()
await runForeground(node, process.argv.slice(2), { env: toolEnvironment(node) })
