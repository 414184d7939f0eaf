/** What the tests of the store contract share. */
import assert from 'node:assert/strict'
import type { KeyRecord, KeyRecordPage, KeyStore } from '../../store.ts'

export interface StoreHarness {
  /** A fresh, empty store. The suite closes it. */
  open(): Promise<KeyStore>
  /** A second client on the data of the store that `open` gave last. Absent where data cannot be shared. */
  reopen?(): Promise<KeyStore>
}

/** Opens a fresh, empty store that is closed after the test. */
export type Open = () => Promise<KeyStore>

/** Ends the test as skipped, for a reason. Return right after it. */
export type Skip = (reason: string) => void

/** Registers a test, which gets a fresh store; unless it is among the skips. */
export type Check = (title: string, run: (store: KeyStore, open: Open, skip: Skip) => Promise<void>) => void

interface Expected {
  readonly code: string
  readonly details?: Readonly<Record<string, unknown>>
}

/** Fails unless `error` is a KeywrightError of this code, with a hint and these details. */
export function assertError(error: unknown, expected: Expected, what: string): void {
  const { code, hint, details } = error as { code?: unknown; hint?: unknown; details?: unknown }
  assert.ok(code === expected.code, `${what}: expected ${expected.code}, got ${String(error)}`)
  assert.ok(typeof hint === 'string', `${what}: ${expected.code} came without a hint`)
  const shown = new Map(Object.entries((details ?? {}) as Record<string, unknown>))
  for (const [name, value] of Object.entries(expected.details ?? {})) {
    assert.deepEqual(shown.get(name), value, `${what}: the detail "${name}" of the error`)
  }
}

/** Fails unless `call` rejects with such an error. */
export async function assertRejects(
  call: Promise<unknown>,
  expected: Expected,
  what = 'the call',
): Promise<void> {
  try {
    await call
  } catch (thrown) {
    return assertError(thrown, expected, what)
  }
  assert.fail(`${what}: expected ${expected.code}, but the call resolved`)
}

/**
 * Fails unless these are the records, in this order. It shows the first one that differs, because node:assert needs
 * gigabytes to show the difference of a few hundred.
 */
export function assertRecords(
  actual: readonly KeyRecord[],
  expected: readonly KeyRecord[],
  what = 'the listing',
): void {
  for (const [place, record] of expected.entries()) {
    assert.deepEqual(actual[place], record, `${what}: record ${place + 1} of ${expected.length}`)
  }
  assert.equal(actual.length, expected.length, `${what}: how many records there are`)
}

/** Fails unless the page holds these records, in this order, and is the last one. */
export function assertLastPage(page: KeyRecordPage, records: readonly KeyRecord[]): void {
  assertRecords(page.records, records)
  assert.equal(page.next, undefined, 'a page after the last one')
}
