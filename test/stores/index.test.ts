import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openStore, STORES } from '../../stores/index.ts'
import { testFolders } from './support/folder.ts'
import { recordOf } from './support/records.ts'

const folder = testFolders()

describe('the table of stores', () => {
  it.each(Object.entries(STORES))('%s opens URLs and has a factory', async (_, load) => {
    const module = await load()
    expect([typeof module.default, typeof module.openUrl]).toEqual(['function', 'function'])
  })

  it.each([
    ['an absolute path', (path: string) => `sqlite:${path}`],
    ['an absolute path after two slashes', (path: string) => `sqlite://${path}`],
    ['a relative path', (path: string) => `sqlite:./${relative('.', path)}`],
    ['a relative path without a dot', (path: string) => `sqlite:${relative('.', path)}`],
    ['capitals in the scheme', (path: string) => `SQLite:${path}`],
  ])('opens sqlite with %s', async (_, urlOf) => {
    const path = join(folder(), 'my keys%20.db')
    const store = await openStore(urlOf(path), { create: true })
    await store.insert(recordOf())
    expect((await store.describe()).location).toBe(`sqlite:${path}`)
    expect(existsSync(path)).toBe(true)
    await store.close?.()
    const again = await openStore(urlOf(path), { readOnly: true })
    expect(await again.get(1)).toEqual(recordOf())
    await again.close?.()
  })

  it('opens a store in memory', async () => {
    const store = await openStore('memory:')
    expect(await store.insert(recordOf())).toBe('inserted')
  })

  it('creates only when it is told to', async () => {
    const path = join(folder(), 'keys.db')
    await expect(openStore(`sqlite:${path}`)).rejects.toMatchObject({ code: 'ERR_STORE_MISSING' })
    expect(existsSync(path)).toBe(false)
  })

  it.each([
    ['sqlite:', 'ERR_ARGUMENT_INVALID'],
    ['sqlite://keys.db', 'ERR_ARGUMENT_INVALID'],
    ['sqlite:////keys.db', 'ERR_ARGUMENT_INVALID'],
    ['sqlite:./keys.db?mode=memory', 'ERR_ARGUMENT_INVALID'],
    ['memory:name', 'ERR_ARGUMENT_INVALID'],
    ['redis://user:hunter2@127.0.0.1:1/0', 'ERR_STORE_UNAVAILABLE'],
    ['rediss://user:hunter2@127.0.0.1:1/0', 'ERR_STORE_UNAVAILABLE'],
    ['postgres://user:hunter2@127.0.0.1:1/db', 'ERR_STORE_UNAVAILABLE'],
    ['POSTGRESQL://user:hunter2@127.0.0.1:1/db', 'ERR_STORE_UNAVAILABLE'],
    ['mysql://user:hunter2@host/db', 'ERR_BACKEND_UNKNOWN'],
    ['hunter2:hunter2@host', 'ERR_BACKEND_UNKNOWN'],
    ['://hunter2', 'ERR_BACKEND_UNKNOWN'],
    ['hunter2', 'ERR_BACKEND_UNKNOWN'],
    ['toString:', 'ERR_BACKEND_UNKNOWN'],
    ['__proto__:', 'ERR_BACKEND_UNKNOWN'],
    ['', 'ERR_BACKEND_UNKNOWN'],
    [pathToFileURL('/tmp/keys.db').href, 'ERR_BACKEND_UNKNOWN'],
  ])('refuses %s with %s and without echoing it', async (url, code) => {
    const error = await openStore(url).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code, hint: expect.any(String) })
    expect(JSON.stringify(error) + String(error)).not.toMatch(/hunter2|user/)
  })

  it('names what is known, and an unknown scheme', async () => {
    await expect(openStore('mysql://host/db')).rejects.toMatchObject({
      message: expect.stringContaining('"mysql"'),
      details: { known: Object.keys(STORES) },
    })
  })
})
