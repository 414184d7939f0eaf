/**
 * The last step of every `npm install` and `npm ci` in a clone: records that the install is complete, builds dist and
 * puts the command line where npx looks for it (npm links the commands of dependencies, not those of the clone itself).
 */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BIN, markComplete } from './ensure.mjs'
import { runForeground } from './run.mjs'

const COMMAND = `#!/bin/sh
here=$(dirname "$0")
node="$here/node"
[ -x "$node" ] || node=node
exec "$node" "$here/../../dist/src/cli/main.js" "$@"
`

const tsc = join(BIN, 'tsc')
markComplete()
if (existsSync(tsc)) {
  writeFileSync(join(BIN, 'keywright'), COMMAND, { mode: 0o755 })
  await runForeground(tsc, ['-p', 'tsconfig.build.json'])
} else process.stderr.write('keywright: development packages were left out, so dist was not built\n')
