/** `hash`: search tokens. */
import { isUtf8 } from 'node:buffer'
import type { NormaliserName } from '../../data/search/normalisers.ts'
import { KeywrightError } from '../../errors.ts'
import type { Call } from '../call.ts'
import { withKeywright } from '../opened.ts'
import { parseCount, readValue } from '../values.ts'

export async function hash(call: Call): Promise<undefined> {
  const { options, output } = call
  const [field = '', argument] = call.args
  const value = await readValue(call, { argument, what: 'value', secret: true })
  if (!isUtf8(value)) {
    throw new KeywrightError('ERR_VALUE_TYPE', 'the value is not UTF-8 text', {
      hint: 'search tokens are made of text: convert it first, always in the same way',
    })
  }
  const normaliser = options.text('normaliser') as NormaliserName | undefined
  const bits = parseCount('bits', options.text('bits'))
  const tenant = options.text('tenant')
  await withKeywright(call, async (keywright) => {
    const index = keywright.index(field, {
      ...(normaliser === undefined ? {} : { normaliser }),
      ...(bits === undefined ? {} : { bits }),
      slow: options.flag('slow'),
      ...(tenant === undefined ? {} : { tenant }),
    })
    const text = value.toString('utf8')
    const tokens = options.flag('all') ? await index.tokens(text) : [await index.token(text)]
    const result = options.flag('all') ? { tokens } : { token: tokens[0] }
    await output.result(
      { field, normaliser: normaliser ?? 'exact', ...result },
      tokens.map((token) => `${token}\n`).join(''),
    )
  })
}
