/**
 * `npm run lock`, after an `npm install` that changed package-lock.json.
 *
 * A registry mirror may lack the builds of a tool for other platforms. npm then leaves those optional packages out of
 * the lock file without a word, and `npm ci` refuses that file everywhere. This adds the missing entries: the exact
 * version that the tool asks for, with the platform that the package's name says, so that no other platform loads it.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { completeLock, type LockFile } from './lock-file.ts'

const path = join(import.meta.dirname, '..', 'package-lock.json')
const lock = JSON.parse(readFileSync(path, 'utf8')) as LockFile
const { added, completed } = completeLock(lock)
writeFileSync(path, `${JSON.stringify(completed, null, 2)}\n`)
process.stderr.write(`keywright: added ${added} optional packages to package-lock.json\n`)
