/** Removes dist, so that no file of an earlier build gets into a package. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './ensure.mjs'

rmSync(join(ROOT, 'dist'), { recursive: true, force: true })
