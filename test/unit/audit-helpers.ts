/** Audit logs for tests: real files, a clock that stands still until it is moved. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chainRecord, encodeRecord, parseRecord, positionAfter } from '../../src/audit/chain.ts'
import type { AuditEvent, AuditRecord } from '../../src/audit/event.ts'
import { fileAuditSink } from '../../src/audit/file-sink.ts'
import { AuditLog } from '../../src/audit/log.ts'
import type { Clock } from '../../src/clock.ts'

export const DAY = 86_400_000
export const START = Date.UTC(2026, 0, 1)

export function testClock(start = START): Clock & { advance(ms: number): void } {
  let now = start
  return {
    now: () => now,
    after: () => () => undefined,
    advance(ms) {
      now += ms
    },
  }
}

const folders: string[] = []

/** A path for a log in a new folder. */
export async function newPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'audit-'))
  folders.push(folder)
  return join(folder, 'audit.jsonl')
}

export async function removeFolders(): Promise<void> {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
}

export const event = (n: number): AuditEvent => ({
  event: 'key.rotate',
  keyring: `pii/tenant-${n}`,
  keyId: n,
  reason: `Grund ${n}: „Änderung“\n\ufffd`,
  details: { n, due: true },
})

/** A log with `count` records, one a day. */
export async function newLog(count: number) {
  const path = await newPath()
  const sink = fileAuditSink({ path })
  const clock = testClock()
  const log = new AuditLog({ sink, clock, actor: 'tester' })
  for (let n = 1; n <= count; n += 1) {
    await log.append(event(n))
    clock.advance(DAY)
  }
  return { path, sink, clock, log }
}

/** The lines of the log, as text. */
export async function linesOf(path: string): Promise<string[]> {
  return (await readFile(path, 'utf8')).split('\n').slice(0, -1)
}

export async function writeLines(path: string, lines: readonly string[]): Promise<void> {
  await writeFile(path, lines.map((line) => `${line}\n`).join(''))
}

export function recordOf(line: string | undefined): AuditRecord {
  const { record } = parseRecord(Buffer.from(line ?? ''))
  if (record === undefined) throw new Error('not a record')
  return record
}

/** The line with other content and a hash made anew for it. */
export function rewritten(line: string | undefined, change: Partial<AuditRecord>): string {
  const { hash: _, v: _v, seq, prev, time, ...rest } = { ...recordOf(line), ...change }
  return encodeRecord(chainRecord(rest, { seq: seq - 1, link: prev }, Date.parse(time)))
}

/** A forged line that goes on from `line` with a right hash. */
export function forgedAfter(line: string | undefined): string {
  const position = line === undefined ? { seq: 0, link: '0'.repeat(64) } : positionAfter(recordOf(line))
  return encodeRecord(chainRecord({ event: 'key.resume', actor: 'mallory' }, position, START))
}
