/** What the tests of the file provider share. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import fileProvider, { type FileProviderOptions } from '../../providers/file.ts'
import type { KeyProvider } from '../../src/provider.ts'
import { expectNoSecret, failureOf, wrapContext } from '../conformance/provider.ts'

export const rootKey = Uint8Array.from(randomBytes(32))
export const rootSecret = { bytes: rootKey, kind: 'key' } as const
export const password = 'correct horse battery staple'
/** The cheapest that is allowed. */
export const kdf = { memoryKiB: 7168, passes: 5 }
export const context = wrapContext()

export const byPassword = (text: string) => ({ rootSecret: { kind: 'password', password: text } }) as const

/** A folder for a test file; `newPath` names a key file in a folder of its own that does not exist yet. */
export async function makeRoot(): Promise<{ root: string; newPath(): string; remove(): Promise<void> }> {
  const root = await mkdtemp(join(tmpdir(), 'keywright-file-'))
  let count = 0
  const newPath = () => {
    count += 1
    return join(root, String(count), 'master.key')
  }
  return { newPath, remove: () => rm(root, { force: true, recursive: true }), root }
}

/** A provider that looks at the file with every wrap. */
export function openAt(path: string, options: Partial<FileProviderOptions> = {}): KeyProvider {
  return fileProvider({ checkIntervalMs: 0, path, rootSecret, ...options })
}

/** The same, with a new key file. */
export async function openNewAt(
  path: string,
  options: Partial<FileProviderOptions> = {},
): Promise<KeyProvider> {
  const provider = openAt(path, { create: true, ...options })
  await provider.describeMasterKey()
  return provider
}

/** Rejects with this code and a hint that says what to do, and without a secret. */
export async function rejects(call: () => Promise<unknown>, code: string): Promise<void> {
  const error = await failureOf(call)
  expect(error).toMatchObject({ code, hint: expect.stringMatching(/\w+ \w+/) })
  expectNoSecret(error, [rootKey, password])
}
