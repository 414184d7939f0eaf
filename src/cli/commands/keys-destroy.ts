/** `keys revoke | destroy | cleanup`: what cannot be undone, so it asks. */
import { KeywrightError } from '../../errors.ts'
import type { DestroyVerdict } from '../../keys/destroy-gate.ts'
import type { KeyInfo } from '../../keys/views.ts'
import { type Call, wrongUse } from '../call.ts'
import { KEY_COLUMNS, keyJson, keyRow } from '../key-view.ts'
import { withKeywright } from '../opened.ts'
import { askText, confirm } from '../prompts.ts'
import { count } from '../text.ts'
import { parseKeyId } from '../values.ts'

const nameOf = (key: KeyInfo): string => `key ${key.id} (${key.keyring} version ${key.version})`

export async function revokeKey(call: Call): Promise<number> {
  const { options, output } = call
  const id = parseKeyId(call.args[0])
  const reason = options.required('reason', 'say what happened: it goes into the audit log')
  return withKeywright(call, async ({ keys }) => {
    const before = await keys.describe(id)
    await agree(call, `Revoke ${nameOf(before)} for good? It cannot be undone`)
    const { key, replaced, replacementError } = await keys.revoke(id, reason)
    const failure = replacementError === undefined ? {} : { replacementError: errorJson(replacementError) }
    const heir = replaced ? '; a new key took its place' : ''
    await output.result(
      { key: keyJson(key), replaced, ...failure },
      `revoked: ${nameOf(key)} is ${key.state}${heir}\n`,
    )
    await output.note('what it encrypted is to be encrypted again under the new key')
    if (replacementError === undefined) return 0
    await output.warn(
      `no new key could be made: ${replacementError.message}`,
      `nothing encrypts under ${key.keyring}: keywright keys rotate ${key.keyType} --force --now`,
    )
    return 1
  })
}

const errorJson = (error: Error): unknown =>
  error instanceof KeywrightError
    ? { code: error.code, message: error.message }
    : { message: 'unexpected failure' }

export async function destroyKey(call: Call): Promise<undefined> {
  const { io, options, output } = call
  const id = parseKeyId(call.args[0])
  const given = override(call)
  await withKeywright(call, async ({ keys }) => {
    const key = await keys.describe(id)
    const { allowed, why } = await keys.destroyable(id)
    if (allowed) await output.note(`${nameOf(key)}: ${why}`)
    // What stands in the way is told before anybody is asked.
    if (!allowed && given.override === undefined) await keys.destroy(id, given)
    if (!options.flag('yes')) {
      if (!output.asks) throw notConfirmed()
      await output.note(`destroying ${nameOf(key)}: what it encrypted is lost for ever`)
      const check = (typed: string) => (typed.trim() === String(id) ? undefined : `That is not ${id}`)
      await askText(io, 'Type the key id to destroy it', { check })
    }
    const destroyed = await keys.destroy(id, given)
    await output.result(keyJson(destroyed), `destroyed: ${nameOf(destroyed)}\n`)
  })
}

function override({ options }: Call): { readonly override?: { readonly reason: string } } {
  const reason = options.text('overrideReason')?.trim() ?? ''
  return reason === '' ? {} : { override: { reason } }
}

export async function cleanupKeys(call: Call): Promise<undefined> {
  const { io, options, output } = call
  const given = override(call)
  await withKeywright(call, async ({ keys }) => {
    const expired = await keys.cleanup({ dryRun: true })
    const verdicts = await Promise.all(expired.map(({ id }) => keys.destroyable(id)))
    const kept = expired.flatMap((key, at) => {
      const { allowed, overridable, why, hint } = verdicts[at] as DestroyVerdict
      return allowed || (overridable && given.override !== undefined) ? [] : [{ key, why, hint }]
    })
    const due = expired.length - kept.length
    const wanted = options.flag('yes') || given.override !== undefined || output.asks
    const dryRun = options.flag('dryRun') || due === 0 || !wanted
    if (!dryRun) await agree(call, `Destroy ${count(due, 'key')} for ever?`)
    const done = dryRun ? expired : await keys.cleanup(given)
    const rows = done.map((key) => keyRow(key, io.now()))
    await output.result(
      {
        destroyed: !dryRun,
        keys: done.map(keyJson),
        kept: kept.map(({ key, why, hint }) => ({ id: key.id, why, hint })),
      },
      rows.length === 0 ? '' : output.table(KEY_COLUMNS, rows),
    )
    for (const { key, why, hint } of kept) await output.warn(`${nameOf(key)} stays: ${why}`, hint)
    await output.note(cleanupNote(expired.length, due, dryRun))
  })
}

function cleanupNote(expired: number, due: number, dryRun: boolean): string {
  if (expired === 0) return 'nothing to clean up: no replaced key is past its max age and grace period'
  if (!dryRun) return `${count(due, 'key')} destroyed`
  const past = `${count(expired, 'key')} past max age and grace period`
  if (due === 0)
    return `${past}; --override-reason "…" destroys ${expired === 1 ? 'it' : 'them'} all the same`
  return `${past}, ${due} of them empty; --yes destroys ${due === 1 ? 'it' : 'them'}`
}

/** Asks at a terminal unless --yes; elsewhere --yes is needed. */
async function agree(call: Call, question: string): Promise<void> {
  if (call.options.flag('yes')) return
  if (!call.output.asks) throw notConfirmed()
  if (await confirm(call.io, question)) return
  throw new KeywrightError('ERR_ABORTED', 'nothing was changed', { hint: 'answer yes to go on' })
}

const notConfirmed = (): KeywrightError =>
  wrongUse('this cannot be undone, and nobody is at a terminal to confirm it', 'add --yes')
