/** `keyset export | import`. */

import { KeywrightError } from '../../errors.ts'
import { replaceFile } from '../../files/atomic.ts'
import { type Call, wrongUse } from '../call.ts'
import { cannotWrite } from '../io.ts'
import { keyJson } from '../key-view.ts'
import { withKeywright } from '../opened.ts'
import { confirm } from '../prompts.ts'
import { count } from '../text.ts'
import { readAll, readInput } from '../values.ts'

export async function exportKeyset(call: Call): Promise<undefined> {
  const { options, output } = call
  const [keyType = ''] = call.args
  const provider = options.text('under')
  const clear = options.flag('clear')
  if ((provider === undefined) !== clear) {
    throw wrongUse(
      'a keyset is exported either under a provider or in clear',
      'name --under <provider>, or --clear',
    )
  }
  if (clear) await agreeToClear(call)
  const [format, reason, tenant] = [options.text('format'), options.text('reason'), options.text('tenant')]
  await withKeywright(call, async (keywright) => {
    const keyset = await keywright.exportKeyset(keyType, {
      format: format === 'binary' ? 'binary' : 'json',
      clear,
      ...(provider === undefined ? {} : { provider }),
      ...(reason === undefined ? {} : { reason }),
      ...(tenant === undefined ? {} : { tenant }),
    })
    try {
      await deliver(call, keyset, format === 'binary')
    } finally {
      keyset.fill(0)
    }
    const where = options.text('out') === undefined ? '' : ` to ${options.text('out')}`
    await output.note(
      `exported the keyset of ${keyType}${where}${clear ? ', IN CLEAR' : `, encrypted under ${provider}`}`,
    )
  })
}

async function agreeToClear({ io, options, output }: Call): Promise<void> {
  await output.warn(
    'a keyset in clear holds the keys themselves: whoever has it reads everything they encrypted',
    'encrypt it with --under <provider> wherever the other side can reach the provider',
  )
  if (options.flag('yes')) return
  if (!output.asks) throw wrongUse('nobody is at a terminal to confirm an export in clear', 'add --yes')
  if (await confirm(io, 'Write the keys in clear?')) return
  throw new KeywrightError('ERR_ABORTED', 'nothing was exported', { hint: 'answer yes to go on' })
}

async function deliver({ io, options, output }: Call, keyset: Buffer, binary: boolean): Promise<void> {
  const path = options.text('out')
  if (path !== undefined) {
    await writeNew(path, keyset)
    if (output.json)
      await output.result({ out: path, format: binary ? 'binary' : 'json', bytes: keyset.length }, '')
    return
  }
  if (output.json && binary)
    return output.result({ keyset: keyset.toString('base64'), encoding: 'base64' }, '')
  if (binary && io.stdout.isTTY === true) {
    throw wrongUse(
      'a binary keyset does not go to a terminal',
      'write it to a file with --out, or use --format json',
    )
  }
  await output.data(keyset)
  if (!binary) await output.data('\n')
}

async function writeNew(path: string, data: Uint8Array): Promise<void> {
  try {
    await replaceFile(path, data, { mode: 0o600, exclusive: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannotWrite(path, error)
    throw wrongUse(`there is a file already: ${path}`, 'name another file: none is replaced')
  }
}

export async function importKeyset(call: Call): Promise<undefined> {
  const { io, options, output } = call
  const [keyType = ''] = call.args
  const path = options.text('in')
  const keyset = path === undefined ? await readAll(io.stdin) : await readInput(path)
  const [provider, reason, tenant] = [options.text('under'), options.text('reason'), options.text('tenant')]
  await withKeywright(call, async (keywright) => {
    const keys = await keywright.importKeyset(keyType, keyset, {
      ...(provider === undefined ? {} : { provider }),
      ...(reason === undefined ? {} : { reason }),
      ...(tenant === undefined ? {} : { tenant }),
    })
    keyset.fill(0)
    await output.result(keys.map(keyJson), `imported ${count(keys.length, 'key')} into ${keys[0]?.keyring}\n`)
    if (provider === undefined && path !== undefined) {
      await output.warn(
        'the file of the keyset holds keys in clear',
        `remove it when it is not needed any more: ${path}`,
      )
    }
  })
}
