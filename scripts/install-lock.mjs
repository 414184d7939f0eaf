/**
 * Lets one install run at a time in one clone. The lock is a file whose time stamp its holder keeps fresh, so the lock
 * of a killed process grows old and is taken over; no process id is compared, so a reused one cannot block anybody.
 */
import { createHash, randomUUID } from 'node:crypto'
import {
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const REFRESH_MS = 1_000
const STALE_MS = 10_000

/** Outside the clone, because `npm ci` empties node_modules; one per clone and user. */
function lockPath(root) {
  const name = createHash('sha256').update(`${userInfo().uid}:${root}`).digest('hex').slice(0, 16)
  return join(tmpdir(), `keywright-install-${name}.lock`)
}

function tryLock(path, token) {
  try {
    const file = openSync(path, 'wx', 0o600)
    writeSync(file, token)
    closeSync(file)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

/** Moves a lock aside whose holder is gone. Of several that try, the rename lets one win. */
function removeStale(path) {
  try {
    if (Date.now() - statSync(path).mtimeMs < STALE_MS) return
    const aside = `${path}.${randomUUID()}`
    renameSync(path, aside)
    rmSync(aside)
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
}

const holds = (path, token) => {
  try {
    return readFileSync(path, 'utf8') === token
  } catch {
    return false
  }
}

/** Runs `work` while holding the lock of this clone; waits for whoever holds it. */
export async function withInstallLock(root, work, say) {
  const path = lockPath(root)
  const token = randomUUID()
  for (let waited = false; !tryLock(path, token); waited = true) {
    if (!waited) say('waiting for another install in this folder')
    removeStale(path)
    await sleep(300)
  }
  const release = () => {
    if (holds(path, token)) rmSync(path, { force: true })
  }
  const refresh = setInterval(() => {
    if (holds(path, token)) utimesSync(path, new Date(), new Date())
  }, REFRESH_MS)
  process.once('exit', release)
  try {
    return await work()
  } finally {
    clearInterval(refresh)
    process.off('exit', release)
    release()
  }
}
