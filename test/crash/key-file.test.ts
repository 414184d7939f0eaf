import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import fileProvider, { createKeyFile } from '../../providers/file.ts'
import type { WrappedKey } from '../../src/provider.ts'
import { wrapContext } from '../conformance/provider.ts'

interface Line {
  readonly rotated: string
  readonly wrapped: Omit<WrappedKey, 'ciphertext'> & { readonly ciphertext: string }
}

const script = fileURLToPath(new URL('key-file-rotate.ts', import.meta.url))
const rootSecret = { bytes: randomBytes(32), kind: 'key' } as const

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keywright-crash-'))
})
afterAll(() => rm(folder, { force: true, recursive: true }))

/** Runs the script; with `killAfterMs`, kills it that long after it is ready. Resolves to what it reported. */
async function rotate(path: string, count: number, killAfterMs?: number): Promise<Line[]> {
  const arguments_ = [script, path, rootSecret.bytes.toString('hex'), String(count)]
  const child = spawn(process.execPath, arguments_, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const lines: Line[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    const message: Line | 'ready' = JSON.parse(line)
    if (message !== 'ready') lines.push(message)
    else if (killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  }
  await ended
  const killed = killAfterMs !== undefined
  expect([child.exitCode, child.signalCode]).toEqual(killed ? [null, 'SIGKILL'] : [0, null])
  return lines
}

/** A new process would open the file and every wrap that was ever reported. */
async function expectAllOpen(path: string, lines: readonly Line[]): Promise<number> {
  const provider = fileProvider({ path, rootSecret })
  for (const { wrapped } of lines) {
    const ciphertext = Buffer.from(wrapped.ciphertext, 'base64')
    expect((await provider.unwrapKey({ ...wrapped, ciphertext }, wrapContext())).length).toBe(32)
  }
  return Number((await provider.describeMasterKey()).version)
}

describe('key file and processes', () => {
  it('eight processes that rotate at once lose no version', async () => {
    const path = join(folder, 'eight.key')
    await createKeyFile({ path, rootSecret })
    const lines = (await Promise.all(Array.from({ length: 8 }, () => rotate(path, 3)))).flat()
    expect(lines).toHaveLength(24)
    expect(await expectAllOpen(path, lines)).toBe(25)
  }, 60_000)

  it('kill -9 at any moment of a rotation leaves a file that opens, with every version ever reported', async () => {
    const path = join(folder, 'killed.key')
    await createKeyFile({ path, rootSecret })
    const lines: Line[] = []
    for (let kill = 0; kill < 50; kill++) {
      lines.push(...(await rotate(path, 1_000_000, kill % 25)))
      const version = await expectAllOpen(path, lines)
      const reported = Math.max(1, ...lines.map(({ rotated }) => Number(rotated)))
      expect(version).toBeGreaterThanOrEqual(reported)
    }
    expect(lines.length).toBeGreaterThan(0)
    await rotate(path, 1)
    const left = (await readdir(folder)).filter((name) => name.startsWith('.killed'))
    expect(left, 'the next rotation removes what the killed ones left').toEqual([])
  }, 120_000)
})
