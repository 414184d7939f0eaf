/** `keys list` and `keys show`. */
import { keyringFor } from '../../policy/evaluate.ts'
import type { KeyState } from '../../store.ts'
import type { Call } from '../call.ts'
import { KEY_COLUMNS, keyFacts, keyJson, keyRow } from '../key-view.ts'
import { withKeywright } from '../opened.ts'
import { parseKeyId } from '../values.ts'

export async function listKeys(call: Call): Promise<undefined> {
  const { io, options, output } = call
  const [keyType, tenant, state] = [options.text('keyType'), options.text('tenant'), options.text('state')]
  await withKeywright(call, async (keywright) => {
    if (keyType !== undefined)
      keyringFor(keywright.policy, { keyType, ...(tenant === undefined ? {} : { tenant }) })
    const all = await keywright.keys.list({
      ...(keyType === undefined ? {} : { keyType }),
      ...(state === undefined ? {} : { state: state as KeyState }),
    })
    const keys = all.filter(
      (key) => (tenant === undefined || key.tenant === tenant) && (key.due || !options.flag('due')),
    )
    if (keys.length === 0) await output.note(all.length === 0 ? 'there are no such keys' : 'no key fits')
    const now = io.now()
    const rows = keys.map((key) => keyRow(key, now))
    await output.result(keys.map(keyJson), keys.length === 0 ? '' : output.table(KEY_COLUMNS, rows))
  })
}

export async function showKey(call: Call): Promise<undefined> {
  const { args, io, output } = call
  const id = parseKeyId(args[0])
  await withKeywright(call, async (keywright) => {
    const key = await keywright.keys.describe(id)
    await output.result(keyJson(key), output.facts(keyFacts(key, io.now())))
  })
}
