import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ROOT, run, shellEnvironment } from './pack.ts'

const SLOW_MS = 60_000
const INSTALLING = /running npm ci/g

let folder: string

const clone = (): string => join(folder, 'clone')
const stamp = (): string => join(clone(), 'node_modules', '.install-complete')
/** The lock of the clone lies in the folder for temporary files. */
const variables = (): NodeJS.ProcessEnv => ({ TMPDIR: folder })
const ensure = () => run(process.execPath, [join('scripts', 'ensure.mjs')], clone(), variables())

/** A clone that depends on nothing, so that it installs without a network; `script` runs in its install. */
function writeClone(script: string, version = '1.0.0'): void {
  const manifest = { name: 'clone', version, private: true, type: 'module', scripts: { install: script } }
  const packages = {
    '': { name: 'clone', version },
    'node_modules/own': { resolved: 'own', link: true },
    own: { version },
  }
  const dependencies = { own: 'file:own' }
  const lock = { name: 'clone', version, lockfileVersion: 3, requires: true, packages }
  mkdirSync(join(clone(), 'own'), { recursive: true })
  writeFileSync(join(clone(), 'own', 'package.json'), JSON.stringify({ name: 'own', version }))
  writeFileSync(join(clone(), 'package.json'), JSON.stringify({ ...manifest, dependencies }))
  Object.assign(packages[''], { dependencies })
  writeFileSync(join(clone(), 'package-lock.json'), JSON.stringify(lock))
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keywright-ensure-'))
  cpSync(join(ROOT, 'scripts'), join(clone(), 'scripts'), { recursive: true })
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('scripts/ensure.mjs', { timeout: SLOW_MS }, () => {
  it('installs into a fresh clone, and says nothing when all is there', async () => {
    writeClone('echo installed')
    const first = await ensure()
    expect(first.stderr).toMatch(/nothing is installed yet; running npm ci/)
    expect(first.code).toBe(0)
    expect(existsSync(stamp())).toBe(true)
    expect(await ensure()).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  it.each([
    ['the lock file changed', () => writeClone('echo installed', '1.0.1')],
    ['a package is gone', () => rmSync(join(clone(), 'node_modules', 'own'), { recursive: true })],
    ['an install was stopped before its end', () => rmSync(stamp())],
  ])('installs again when %s', async (_what, change) => {
    writeClone('echo installed')
    await ensure()
    change()
    const again = await ensure()
    expect(again.stderr).toMatch(/not in step; running npm ci/)
    expect(again.code).toBe(0)
    expect((await ensure()).stderr).toBe('')
  })

  it('installs once when two start together', async () => {
    writeClone('sleep 1')
    const both = await Promise.all([ensure(), ensure()])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
    const said = both.map(({ stderr }) => stderr).join('')
    expect(said.match(INSTALLING)).toHaveLength(1)
    expect(said).toContain('waiting for another install')
  })

  it('shows why an install failed, and does not take it for complete', async () => {
    writeClone('echo the reason >&2; exit 3')
    const { code, stderr } = await ensure()
    expect(code).toBe(1)
    expect(stderr).toContain('the reason')
    expect(stderr).toMatch(/npm ci failed with exit code \d+/)
    expect(existsSync(stamp())).toBe(false)
  })

  it('leaves neither a stamp nor a lock when it is interrupted', async () => {
    writeClone('touch ../started; sleep 20')
    const env = { ...shellEnvironment(), ...variables() }
    const child = spawn(process.execPath, [join('scripts', 'ensure.mjs')], {
      cwd: clone(),
      env,
      stdio: 'ignore',
    })
    const closed = once(child, 'close')
    while (!existsSync(join(folder, 'started'))) await sleep(50)
    child.kill('SIGTERM')
    expect((await closed)[0]).toBe(143)
    expect(existsSync(stamp())).toBe(false)
    expect(readdirSync(folder).filter((name) => name.endsWith('.lock'))).toEqual([])
    writeClone('echo installed')
    expect((await ensure()).code).toBe(0)
  })
})
