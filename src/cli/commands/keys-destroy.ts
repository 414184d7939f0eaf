/** `keys revoke | destroy | cleanup`: what cannot be undone, so it asks. */
import { KeywrightError } from '../../errors.ts'
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
  const reason = options.required(
    'overrideReason',
    'say how you made sure that nothing needs the data any more',
  )
  await withKeywright(call, async ({ keys }) => {
    const key = await keys.describe(id)
    if (!options.flag('yes')) {
      if (!output.asks) throw notConfirmed()
      await output.note(`destroying ${nameOf(key)}: what it encrypted is lost for ever`)
      const check = (typed: string) => (typed.trim() === String(id) ? undefined : `That is not ${id}`)
      await askText(io, 'Type the key id to destroy it', { check })
    }
    const destroyed = await keys.destroy(id, { override: { reason } })
    await output.result(keyJson(destroyed), `destroyed: ${nameOf(destroyed)}\n`)
  })
}

export async function cleanupKeys(call: Call): Promise<undefined> {
  const { io, options, output } = call
  const reason = options.text('overrideReason')?.trim() ?? ''
  const dryRun = options.flag('dryRun') || reason === ''
  await withKeywright(call, async ({ keys }) => {
    const expired = await keys.cleanup({ dryRun: true })
    if (!dryRun && expired.length > 0) await agree(call, `Destroy ${count(expired.length, 'key')} for ever?`)
    const done = dryRun || expired.length === 0 ? expired : await keys.cleanup({ override: { reason } })
    const rows = done.map((key) => keyRow(key, io.now()))
    await output.result(
      { destroyed: !dryRun, keys: done.map(keyJson) },
      rows.length === 0 ? '' : output.table(KEY_COLUMNS, rows),
    )
    await output.note(cleanupNote(done.length, dryRun))
  })
}

function cleanupNote(keys: number, dryRun: boolean): string {
  if (keys === 0) return 'nothing to clean up: no replaced key is past its max age and grace period'
  if (!dryRun) return `${count(keys, 'key')} destroyed`
  return `${count(keys, 'key')} past max age and grace period; --override-reason "…" destroys ${keys === 1 ? 'it' : 'them'}`
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
