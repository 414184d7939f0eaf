/** `store copy`. */
import { AuditLog } from '../../audit/log.ts'
import { KeywrightError } from '../../errors.ts'
import { type CopyStoreReport, copyStore } from '../../jobs/copy-store.ts'
import type { KeyStore } from '../../store.ts'
import type { Call } from '../call.ts'
import { actor, clockOf, configuration } from '../opened.ts'
import { Progress } from '../progress.ts'
import { count } from '../text.ts'

export async function copyStoreCommand(call: Call): Promise<number> {
  const { options, output } = call
  const to = options.required('to', 'name the store to copy into: --to postgres://…')
  const fromUrl = options.text('from') ?? (await configuration(call)).storeUrl.value
  for (const name of ['from', 'to']) await warnOfPassword(call, name)
  const { openStore } = await import('../../compose.ts')
  const dryRun = options.flag('dryRun')
  const from = await openStore(fromUrl, { readOnly: true })
  try {
    const target = await openTarget(openStore, to, dryRun, from)
    if (target === undefined) {
      await output.result(...(await emptyTarget(from)))
      return 0
    }
    try {
      return await call.orderly(copyInto(call, from, target))
    } finally {
      await target.close?.()
    }
  } finally {
    await from.close?.()
  }
}

/** Undefined for a dry run into a place where there is no store yet. */
async function openTarget(
  openStore: typeof import('../../compose.ts').openStore,
  url: string,
  dryRun: boolean,
  from: KeyStore,
): Promise<KeyStore | undefined> {
  if (!dryRun) return openStore(url, { create: true, installation: (await from.describe()).installation })
  try {
    return await openStore(url, { readOnly: true })
  } catch (error) {
    if (error instanceof KeywrightError && error.code === 'ERR_STORE_MISSING') return undefined
    throw error
  }
}

async function copyInto(call: Call, from: KeyStore, to: KeyStore): Promise<number> {
  const { io, options, output } = call
  const progress = new Progress(output, 'keys')
  const audit = options.flag('dryRun') ? undefined : await auditLog(call)
  let report: CopyStoreReport
  try {
    report = await copyStore({
      from,
      to,
      dryRun: options.flag('dryRun'),
      takeOver: options.flag('takeOver'),
      clock: clockOf(call),
      signal: io.signal,
      onProgress: ({ done }) => void progress.tick(done),
      ...(audit === undefined ? {} : { audit }),
    })
  } finally {
    await progress.end()
    await audit?.close()
  }
  await output.result(report, `${describe(report)}\n`)
  if (report.outcome === 'changing') {
    await output.warn('the source changed in every pass', 'stop what writes to it, then run the copy again')
  }
  if (report.outcome === 'finished') await output.note('next: set ENCRYPTION_KEY_STORE_URL to the new store')
  return report.outcome === 'changing' ? 1 : 0
}

/** The log of the configured installation; none where nothing is configured, as with two backups. */
async function auditLog(call: Call): Promise<AuditLog | undefined> {
  const { fileAuditSink } = await import('../../audit/file-sink.ts')
  try {
    const { value } = (await configuration(call)).audit
    if (value === false) return undefined
    const sink = typeof value === 'string' ? fileAuditSink({ path: value }) : value
    return new AuditLog({ sink, clock: clockOf(call), actor: actor() })
  } catch (error) {
    if (!(error instanceof KeywrightError) || error.code !== 'ERR_BACKEND_MISSING') throw error
    await call.output.note('no backend is configured, so the copy is in no audit log')
    return undefined
  }
}

async function emptyTarget(from: KeyStore): Promise<[Record<string, unknown>, string]> {
  let records = 0
  let after: string | undefined
  do {
    const page = await from.list({ limit: 5000, ...(after === undefined ? {} : { after }) })
    records += page.records.length
    after = page.next
  } while (after !== undefined)
  const { location, installation } = await from.describe()
  const text = `${count(records, 'key')} would be copied into a new store\n`
  return [
    { job: 'copy-store', outcome: 'dry-run', from: location, installation, records, inserted: records },
    text,
  ]
}

/** The process list and the history of the shell show it. */
async function warnOfPassword({ options, output }: Call, name: string): Promise<void> {
  const given = options.text(name) ?? ''
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/@]*:[^/]*@/i.test(given)) return
  await output.warn(
    `the password in --${name} is visible in the process list and in the history of the shell`,
    'leave it out and use PGPASSWORD or ~/.pgpass, or set ENCRYPTION_KEY_STORE_URL for the source',
  )
}

function describe(report: CopyStoreReport): string {
  const { inserted, updated, usageRaised, records, alike, passes, outcome, to } = report
  const would = outcome === 'dry-run' ? 'would be ' : ''
  const counts = `${count(inserted, 'key')} ${would}copied, ${updated.toLocaleString('en-US')} ${would}updated, ${usageRaised.toLocaleString('en-US')} with usage ${would}raised, ${alike.toLocaleString('en-US')} alike before`
  if (outcome !== 'finished') return counts
  return `${counts}; all ${count(records, 'key')} read back from ${to} and compared, in ${passes} passes`
}
