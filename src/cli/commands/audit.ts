/** `audit list | verify | prune`. */
import { AUDIT_EVENTS, type AuditEventName, type AuditRecord } from '../../audit/event.ts'
import type { AuditFilter } from '../../audit/log.ts'
import type { AuditReport } from '../../audit/verify.ts'
import { didYouMean } from '../../nearest.ts'
import { type Call, wrongUse } from '../call.ts'
import { configuration, withKeywright } from '../opened.ts'
import { count, paint, printable } from '../text.ts'
import { parseCount, parseKeyId, parseTime } from '../values.ts'

export async function listAudit(call: Call): Promise<undefined> {
  const { output } = call
  const filter = filterOf(call)
  if ((await configuration(call)).audit.value === false) {
    throw wrongUse(
      'the audit log is switched off',
      'unset ENCRYPTION_AUDIT_PATH, or name a log with --audit <path>',
    )
  }
  await withKeywright(call, async ({ audit }) => {
    let found = 0
    for await (const record of audit.list(filter)) {
      found++
      await output.item(record, recordText(record, output.colours))
    }
    if (found === 0) await output.note('no such records')
  })
}

function filterOf({ io, options }: Call): AuditFilter {
  const event = options.text('event')
  if (event !== undefined && !Object.hasOwn(AUDIT_EVENTS, event)) {
    const names = Object.keys(AUDIT_EVENTS)
    throw wrongUse('there is no such event', didYouMean(event, names) || `events: ${names.join(', ')}`)
  }
  const keyId = options.text('keyId')
  const values = {
    event: event as AuditEventName | undefined,
    keyring: options.text('keyring'),
    keyId: keyId === undefined ? undefined : parseKeyId(keyId),
    since: parseTime('since', options.text('since'), io.now()),
    until: parseTime('until', options.text('until'), io.now()),
    limit: parseCount('limit', options.text('limit')),
    last: parseCount('last', options.text('last')),
  }
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

function recordText(record: AuditRecord, colours: boolean): string {
  const { seq, time, event, keyring, keyVersion, keyId, actor, reason, details } = record
  const key = keyring === undefined ? '' : `${keyring}${keyVersion === undefined ? '' : ` v${keyVersion}`}`
  const about = [
    key,
    keyId === undefined ? '' : `key ${keyId}`,
    ...Object.entries(details ?? {}).map(([name, value]) => `${name}=${value}`),
    actor === undefined ? '' : `by ${actor}`,
    reason === undefined ? '' : `"${reason}"`,
  ].filter((part) => part !== '')
  const start = `${String(seq).padStart(6)}  ${paint(time.replace(/\.\d{3}Z$/, 'Z'), 'dim', colours)}`
  return `${start}  ${paint(event.padEnd(15), 'cyan', colours)}  ${printable(about.join(', '))}`.trimEnd()
}

export async function verifyAudit(call: Call): Promise<number> {
  const { output } = call
  return withKeywright(call, async (keywright) => {
    const report = await keywright.verifyAudit()
    await output.result(report, reportText(report, output.colours))
    return report.ok ? 0 : 1
  })
}

function reportText(report: AuditReport, colours: boolean): string {
  const { ok, records, firstTime, lastTime, checkpoint, torn, problems, more } = report
  const span = firstTime === undefined ? '' : `, from ${firstTime} to ${lastTime}`
  const verdict = ok ? paint('ok', 'green', colours) : paint('CHANGED', 'red', colours)
  return [
    `${verdict}: ${count(records, 'record')}${span}`,
    ...(checkpoint === undefined
      ? []
      : [
          `records 1 to ${checkpoint.toSeq} were pruned at ${checkpoint.time}, ${checkpoint.signed ? 'signed' : 'NOT signed'}`,
        ]),
    ...(torn === undefined ? [] : [`line ${torn} is unfinished: a write that was never acknowledged`]),
    ...problems.map(
      ({ kind, line, message }) =>
        `${paint(kind, 'red', colours)}: ${printable(message)}${line > 0 ? ` (line ${line})` : ''}`,
    ),
    ...(more > 0 ? [`and ${count(more, 'problem')} more`] : []),
  ]
    .map((line) => `${line}\n`)
    .join('')
}

export async function pruneAudit(call: Call): Promise<undefined> {
  const { io, options, output } = call
  const reason = options.required('reason', 'dropping audit records is audited: say why')
  const before = parseTime('before', options.text('before'), io.now())
  await withKeywright(call, async (keywright) => {
    const { retentionMs } = keywright.policy.audit
    const { dropped } = await keywright.pruneAudit(reason, before)
    await output.result({ dropped }, `${count(dropped, 'record')} dropped\n`)
    if (dropped === 0 && before === undefined && !Number.isFinite(retentionMs)) {
      await output.note('the policy keeps audit records for ever: set audit.retention, or name --before')
    }
  })
}
