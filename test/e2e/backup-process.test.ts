/** `keywright backup` as a process: Ctrl-C leaves nothing behind, neither here nor of the program it runs. */

import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Workplace } from './cli-kit.ts'
import { endPrograms, startProgram } from './program-kit.ts'

let place: Workplace
beforeEach(async () => {
  place = new Workplace()
  await place.init()
})
afterEach(() => {
  endPrograms()
  place.leave()
})

const start = (...argv: readonly string[]) =>
  startProgram(['backup', ...argv], { cwd: place.folder, env: place.env })

async function until(what: () => boolean): Promise<void> {
  while (!what()) await delay(5)
}

const parts = (): string[] =>
  readdirSync('.', { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.part-'))

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s while a program prints: the program ends, too', async (signal, code) => {
  const script = `require('node:fs').writeFileSync('pid', String(process.pid))
    process.stdout.on('error', () => process.exit())
    setInterval(() => process.stdout.write('x'.repeat(1e5)), 5)`
  const program = start('create', '--name', 'x', '--to', 'backups', '--', process.execPath, '-e', script)
  await until(() => parts().some((name) => name.endsWith('backup.kwf')) && readdirSync('.').includes('pid'))
  program.child.kill(signal)
  expect(await program.ended).toMatchObject({ code, out: '', err: 'keywright: stopped\n' })
  expect(readdirSync('backups')).toEqual([])
  const pid = Number(readFileSync('pid', 'utf8'))
  await expect.poll(() => isAlive(pid)).toBe(false)
})

/** One that has ended and that nobody has asked for is not. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

it('Ctrl-C while restoring: the target is not there, nothing is left beside it', async () => {
  mkdirSync('data')
  for (let n = 0; n < 400; n++) writeFileSync(join('data', `file ${n}`), randomBytes(100_000))
  expect(
    await place.keywright(['backup', 'create', '--name', 'x', '--to', 'backups', '--folder', 'data']),
  ).toMatchObject({ code: 0 })
  const program = start('restore', 'latest', '--name', 'x', '--from', 'backups', '--to', 'again')
  await until(() => parts().some((name) => name.endsWith('file 0')))
  program.child.kill('SIGINT')
  expect(await program.ended).toMatchObject({ code: 130, out: '' })
  expect([parts(), readdirSync('.').includes('again')]).toEqual([[], false])
  const again = await place.keywright([
    ...['backup', 'restore', 'latest', '--name', 'x', '--from', 'backups', '--to', 'again'],
  ])
  expect([again.code, readdirSync('again').length]).toEqual([0, 400])
})
