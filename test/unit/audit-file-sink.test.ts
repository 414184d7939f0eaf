import { execFile } from 'node:child_process'
import { appendFile, chmod, chown, cp, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { fileAuditSink } from '../../src/audit/file-sink.ts'
import { AuditLog } from '../../src/audit/log.ts'
import { verifyAudit } from '../../src/audit/verify.ts'
import { withFileLock } from '../../src/files/atomic.ts'
import {
  event,
  linesOf,
  newLog,
  newPath,
  recordOf,
  removeFolders,
  testClock,
  writeLines,
} from './audit-helpers.ts'

afterAll(removeFolders)

const seqs = (records: readonly { seq: number }[]) => records.map(({ seq }) => seq)

describe('a crash', () => {
  it('left an unfinished line: it is removed, and a record says so', async () => {
    const { path, sink, log } = await newLog(2)
    await appendFile(path, '{"event":"key.des')
    expect(seqs(await log.append(event(3)))).toEqual([4])
    const lines = await linesOf(path)
    expect(recordOf(lines[2])).toMatchObject({ event: 'audit.recovered', details: { bytes: 17 } })
    expect(await verifyAudit(sink)).toMatchObject({ ok: true, records: 4 })
  })

  it('left nothing but an unfinished line', async () => {
    const { path, sink } = await newLog(0)
    await writeFile(path, 'x'.repeat(200_000))
    const log = new AuditLog({ sink, clock: testClock() })
    expect(seqs(await log.append(event(1)))).toEqual([2])
    expect(await verifyAudit(sink)).toMatchObject({ ok: true, records: 2 })
  })

  it('came between log and head', async () => {
    const { path, sink, log } = await newLog(2)
    const head = await readFile(`${path}.head`)
    await log.append(event(3))
    await writeFile(`${path}.head`, head)
    expect(seqs(await log.append(event(4)))).toEqual([4])
    expect(await verifyAudit(sink)).toMatchObject({ ok: true, records: 4 })
  })

  it('came after the head was made and before the first line', async () => {
    const { path, sink, log } = await newLog(1)
    await rm(path)
    await writeFile(`${path}.head`, `{"hash":"${'0'.repeat(64)}","seq":0,"v":1}\n`)
    expect(seqs(await log.append(event(1)))).toEqual([1])
    expect(await verifyAudit(sink)).toMatchObject({ ok: true, records: 1 })
  })
})

describe('a changed end stops the log', () => {
  it.each<[string, (path: string, lines: string[]) => Promise<void>]>([
    ['the last record cut off', (path, lines) => writeLines(path, lines.slice(0, -1))],
    ['all records cut off', (path) => truncate(path, 0)],
    ['the log removed', (path) => rm(path)],
    ['the head removed', (path) => rm(`${path}.head`)],
    ['the head malformed', (path) => writeFile(`${path}.head`, '{}')],
    [
      'the last record edited',
      (path, lines) => writeLines(path, lines.with(2, (lines[2] ?? '').replace('true', 'false'))),
    ],
    ['a foreign last line', (path) => appendFile(path, 'garbage\n')],
    ['an endless last line', (path) => appendFile(path, `${'x'.repeat(300_000)}\n`)],
  ])('%s', async (_, change) => {
    const { path, log } = await newLog(3)
    await change(path, await linesOf(path))
    const before = await readFile(path).catch(() => Buffer.alloc(0))
    await expect(log.append(event(4))).rejects.toMatchObject({
      code: 'ERR_AUDIT_TAMPERED',
      hint: expect.stringContaining('verify the log'),
    })
    expect(await readFile(path)).toEqual(before)
  })
})

describe('a failure', () => {
  const failed = (code: string) => ({
    code: 'ERR_AUDIT_FAILED',
    message: expect.stringContaining(code),
    hint: expect.stringContaining('check the space'),
  })

  it('of the path rejects everybody who waits', async () => {
    const file = await newPath()
    await writeFile(file, '')
    const log = new AuditLog({
      sink: fileAuditSink({ path: join(file, 'sub', 'audit.jsonl') }),
      clock: testClock(),
    })
    const results = await Promise.allSettled([
      log.append(event(1)),
      log.append(event(2)),
      log.append(event(3)),
    ])
    for (const result of results)
      expect(result).toMatchObject({ status: 'rejected', reason: failed('ENOTDIR') })
  })

  it('of the log, when it is no file', async () => {
    const path = await newPath()
    await mkdir(path)
    const log = new AuditLog({ sink: fileAuditSink({ path }), clock: testClock() })
    await expect(log.append(event(1))).rejects.toMatchObject(failed('EISDIR'))
  })

  it('of the lock is over when the lock is', async () => {
    const { path } = await newLog(1)
    const log = new AuditLog({ sink: fileAuditSink({ path, lockTimeoutMs: 20 }), clock: testClock() })
    await withFileLock(path, async () => {
      await expect(log.append(event(2))).rejects.toMatchObject(failed('ERR_FILE_LOCKED'))
    })
    expect(seqs(await log.append(event(2)))).toEqual([2])
  })

  const WRITER = join(import.meta.dirname, '../crash/audit-writer.ts')

  /** Runs the writer; resolves to its exit code and what it said. */
  function run(command: string, args: string[], ids: { uid?: number; gid?: number } = {}) {
    return new Promise<{ code: unknown; out: string; err: string }>((resolve) => {
      const env = { ...process.env, NODE_NO_WARNINGS: '1' } // Node 22 warns of SQLite
      execFile(command, args, { ...ids, cwd: '/', env }, (error, out, err) =>
        resolve({ code: error?.code ?? 0, out, err }),
      )
    })
  }

  it('of the space leaves no half record, and nothing that was not acknowledged', {
    timeout: 60_000,
  }, async () => {
    const path = await newPath()
    // No file may grow beyond 8 blocks: the write that crosses the limit is cut short, then refused (EFBIG).
    const script = 'ulimit -f 8; exec "$@"'
    const args = ['-c', script, 'sh', process.execPath, WRITER, path, '100', '2', 'full']
    const { code, out, err } = await run('/bin/sh', args)
    expect([code, err]).toEqual([3, 'ERR_AUDIT_FAILED cannot write to the audit log (EFBIG)\n'])
    const report = await verifyAudit(fileAuditSink({ path }))
    const acknowledged = out.split('\n').slice(0, -1).map(Number)
    expect(acknowledged.length).toBeGreaterThan(0)
    expect(report).toMatchObject({ ok: true, records: acknowledged.length })
    expect(report.torn).toBeUndefined()
  })

  it('of the rights: a folder that is read only', { timeout: 60_000 }, async () => {
    const { path } = await newLog(1)
    const folder = dirname(path)
    // Rights do not stop root; then the writer runs as another user, from a copy which that user may read.
    const root = process.getuid?.() === 0
    const copy = await newPath()
    await cp(join(import.meta.dirname, '../../src'), join(copy, 'src'), { recursive: true })
    await cp(WRITER, join(copy, 'test/crash/audit-writer.ts'), { recursive: true })
    await cp(join(import.meta.dirname, '../../package.json'), join(copy, 'package.json'))
    await chmod(dirname(copy), 0o755)
    if (root)
      for (const name of [path, `${path}.head`, `${path}.lock`, folder]) await chown(name, 65534, 65534)
    await chmod(folder, 0o500)
    const node = join(copy, 'node')
    await cp(process.execPath, node)
    const ids = root ? { uid: 65534, gid: 65534 } : {}
    const { code, err } = await run(
      node,
      [join(copy, 'test/crash/audit-writer.ts'), path, '1', '1', 'reader'],
      ids,
    )
    await chmod(folder, 0o700)
    expect([code, err]).toEqual([3, 'ERR_AUDIT_FAILED cannot write to the audit log (ERR_SQLITE_ERROR)\n'])
    expect(await verifyAudit(fileAuditSink({ path }))).toMatchObject({ ok: true })
  })
})
