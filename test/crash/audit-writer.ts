/**
 * Appends to an audit log from a process of its own, and prints the seq of every acknowledged record.
 * node audit-writer.ts <path> <calls> <events per call> <name>; calls 0: until it is killed.
 */
import { fileAuditSink } from '../../src/audit/file-sink.ts'
import { AuditLog } from '../../src/audit/log.ts'
import { systemClock } from '../../src/clock.ts'

const [path = '', calls = '', batch = '', actor = ''] = process.argv.slice(2)
const log = new AuditLog({ sink: fileAuditSink({ path }), clock: systemClock, actor })
try {
  for (let call = 1; calls === '0' || call <= Number(calls); call += 1) {
    const events = Array.from({ length: Number(batch) }, (_, at) => ({
      event: 'data.decrypt' as const,
      reason: 'x'.repeat(200),
      details: { call, at },
    }))
    const records = await log.append(events)
    process.stdout.write(records.map(({ seq }) => `${seq}\n`).join(''))
  }
  await log.close()
} catch (error) {
  const { code, message } = error as { code?: string; message?: string }
  process.stderr.write(`${code} ${message}\n`)
  process.exitCode = 3
}
