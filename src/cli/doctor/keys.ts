/** Store, audit log and keys, each with a real try. */
import { access, constants } from 'node:fs/promises'
import { type Configuration, openStore } from '../../compose.ts'
import { auditFile } from '../../config/audit-place.ts'
import { variable } from '../../config/environment.ts'
import type { Keywright } from '../../keywright.ts'
import type { Call } from '../call.ts'
import { withKeywright } from '../opened.ts'
import { count, instant, span } from '../text.ts'
import { checkCensus } from './census.ts'
import { checkFileMode } from './files.ts'
import { type Finding, failed, findingOf, ok, warning } from './finding.ts'
import { checkProviders } from './providers.ts'

/** Clocks of machines that share a log differ a little. */
const MAX_AHEAD_MS = 60_000

export async function checkKeys(call: Call, decided: Configuration): Promise<Finding[]> {
  const findings = [
    ...(await checkRootKeyFile(call)),
    ...(await checkProviders(call, decided)),
    ...(await checkStore(decided)),
    ...(await checkAuditFile(decided)),
  ]
  const use = await checkUse(call)
  // What keeps Keywright from opening was mostly found before, by its own name.
  return [...findings, ...use.filter(({ found }) => findings.every((other) => other.found !== found))]
}

async function checkRootKeyFile({ io }: Call): Promise<Finding[]> {
  const path = variable(io.env, 'ENCRYPTION_MASTER_KEY_FILE')
  return path === undefined ? [] : [await checkFileMode('root key file', path, true)]
}

async function checkStore({ storeUrl }: Configuration): Promise<Finding[]> {
  try {
    const store = await openStore(storeUrl.value)
    try {
      const { location, schemaVersion, warnings } = await store.describe()
      await store.addUsage(0xffffffff, { messages: 0, bytes: 0 }, Number.POSITIVE_INFINITY) // a write that changes nothing
      if (location.startsWith('sqlite:')) await access(location.slice('sqlite:'.length), constants.W_OK)
      const found = `${location}, schema ${schemaVersion}, writable`
      return [ok('key store', found), ...warnings.map((text) => warning('key store', text))]
    } finally {
      await store.close?.()
    }
  } catch (error) {
    return [findingOf('key store', error)]
  }
}

async function checkAuditFile({ audit }: Configuration): Promise<Finding[]> {
  if (audit.value === false) {
    return [
      warning(
        'audit log',
        'it is switched off',
        'key events leave no trace: unset ENCRYPTION_AUDIT_PATH, or name a path',
      ),
    ]
  }
  const path = auditFile(audit.value)
  if (path === undefined) return []
  const exists = await access(path).then(
    () => true,
    () => false,
  )
  return exists ? [await checkFileMode('audit file', path, false)] : []
}

/** What can only be asked of a Keywright that opens. */
async function checkUse(call: Call): Promise<Finding[]> {
  try {
    return await withKeywright({ ...call, output: call.output.silenced() }, async (keywright) => [
      ...(await checkAudit(call, keywright)),
      ...(await checkRotation(call, keywright)),
      ...(await checkCensus(call, keywright)),
    ])
  } catch (error) {
    return [findingOf('keywright', error)]
  }
}

async function checkAudit(call: Call, keywright: Keywright): Promise<Finding[]> {
  if (call.global.text('audit') === 'off' || variable(call.io.env, 'ENCRYPTION_AUDIT_PATH') === 'off')
    return []
  try {
    const report = await keywright.verifyAudit()
    const [problem] = report.problems
    if (problem !== undefined) {
      return [
        failed(
          'audit chain',
          problem.message,
          'keywright audit verify lists everything; keep the log as evidence',
        ),
      ]
    }
    const last = report.lastTime === undefined ? Number.NEGATIVE_INFINITY : Date.parse(report.lastTime)
    const now = call.io.now()
    if (last > now + MAX_AHEAD_MS) {
      return [
        failed(
          'audit chain',
          `the newest record is ${span(last - now)} in the future`,
          'the clock was wrong then, or is now',
        ),
      ]
    }
    const newest = report.lastTime === undefined ? '' : `, the newest ${instant(last, now)}`
    return [ok('audit chain', `${count(report.records, 'record')} verified${newest}`)]
  } catch (error) {
    return [findingOf('audit chain', error)]
  }
}

async function checkRotation({ io }: Call, { keys }: Keywright): Promise<Finding[]> {
  try {
    const found = await keys.statistics()
    const late = (await keys.list()).filter(({ overdue }) => overdue)
    if (late.length > 0) {
      const names = late
        .map(({ keyring }) => keyring)
        .slice(0, 5)
        .join(', ')
      const more = late.length > 5 ? ' …' : ''
      return [
        warning(
          'rotation',
          `${count(late.length, 'key')} overdue: ${names}${more}`,
          'keywright keys rotate --due',
        ),
      ]
    }
    const next = found.nextRotationAt === undefined ? '' : `; next ${instant(found.nextRotationAt, io.now())}`
    const due = found.due > 0 ? `, ${found.due} due` : ', none due'
    return [ok('rotation', `${count(found.keys, 'key')} in ${count(found.keyrings, 'keyring')}${due}${next}`)]
  } catch (error) {
    return [findingOf('keys', error)]
  }
}
