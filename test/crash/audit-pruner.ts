/** Appends to an audit log and prunes it by turns until it is killed: node audit-pruner.ts <path>. */
import { fileAuditSink } from '../../src/audit/file-sink.ts'
import { AuditLog } from '../../src/audit/log.ts'
import { pruneAudit } from '../../src/audit/retention.ts'
import { systemClock } from '../../src/clock.ts'

const [path = ''] = process.argv.slice(2)
const sink = fileAuditSink({ path })
const log = new AuditLog({ sink, clock: systemClock, actor: 'pruner' })
for (;;) {
  await log.append(
    Array.from({ length: 20 }, () => ({ event: 'data.encrypt' as const, reason: 'x'.repeat(500) })),
  )
  const { dropped } = await pruneAudit(sink, {
    before: Date.now(),
    reason: 'turns',
    actor: 'pruner',
    clock: systemClock,
  })
  process.stdout.write(`${dropped}\n`)
}
