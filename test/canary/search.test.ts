/** The search itself: it finds a canary in every spelling, whole or cut, and in every place of an error. */
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { KeywrightError } from '../../src/index.ts'
import { bytesCanary, CanarySearch, formsOf, textCanary } from './canaries.ts'
import { outputOf } from './outputs.ts'

const text = textCanary('text')
const bytes = bytesCanary('bytes')
const search = new CanarySearch([text, bytes])
const utf8 = Buffer.from(text.value)

const SPELLINGS: readonly (readonly [spelling: string, output: string | Uint8Array, canary: string])[] = [
  ['plain', `before ${text.value} after`, 'text'],
  ['bytes of UTF-8', Buffer.concat([Buffer.from([1]), utf8]), 'text'],
  ['UTF-16', Buffer.from(text.value, 'utf16le'), 'text'],
  ['base64', `x ${utf8.toString('base64')}`, 'text'],
  ['base64 of something longer', Buffer.concat([Buffer.from('a'), utf8]).toString('base64'), 'text'],
  ['base64 of something longer still', Buffer.concat([Buffer.from('ab'), utf8]).toString('base64'), 'text'],
  ['base64url', utf8.toString('base64url'), 'text'],
  ['hex', utf8.toString('hex'), 'text'],
  ['JSON', JSON.stringify({ nested: [text.value] }), 'text'],
  ['JSON in JSON', JSON.stringify(JSON.stringify(text.value)), 'text'],
  ['URL', encodeURIComponent(text.value), 'text'],
  ['form data', new URLSearchParams({ secret: text.value }).toString(), 'text'],
  ['inspected', inspect({ secret: text.value }), 'text'],
  ['the first quarter', text.value.slice(0, text.value.length / 4), 'text'],
  ['the last quarter', text.value.slice((-text.value.length * 1) / 4), 'text'],
  ['a part from the middle', text.value.slice(11, 11 + 16), 'text'],
  ['raw bytes', Buffer.concat([Buffer.from('key: '), bytes.value]), 'bytes'],
  ['base64 of bytes', bytes.value.toString('base64'), 'bytes'],
  ['base64url of bytes', bytes.value.toString('base64url'), 'bytes'],
  ['hex of bytes', bytes.value.toString('hex'), 'bytes'],
  ['HEX of bytes', bytes.value.toString('hex').toUpperCase(), 'bytes'],
  ['an inspected Buffer', inspect(bytes.value), 'bytes'],
  ['an inspected Uint8Array', inspect(Uint8Array.from(bytes.value), { breakLength: 1000 }), 'bytes'],
  ['PEM', bytes.value.toString('base64').replace(/.{10}/g, '$&\n'), 'bytes'],
  ['a Buffer as JSON', JSON.stringify(bytes.value), 'bytes'],
  ['URL-encoded bytes', bytes.value.toString('hex').replace(/../g, '%$&'), 'bytes'],
  ['the first half of the bytes', bytes.value.subarray(0, 16), 'bytes'],
  ['something else', 'nothing of it is in here', 'none'],
]

describe('the search for canaries', () => {
  it.each(SPELLINGS)('knows: %s', (_, output, canary) => {
    const found = new Set(search.find(output).map((finding) => finding.canary))
    expect([...found]).toEqual(canary === 'none' ? [] : [canary])
  })

  it.each([text, bytes])('finds every form that it has of $name', (canary) => {
    const forms = [...formsOf(canary)]
    expect(forms.length).toBeGreaterThan(5)
    for (const [form, spelled] of forms) {
      expect(spelled.length).toBeGreaterThan(0)
      const output = Buffer.from(`<${spelled[0]}>`, 'latin1')
      expect(search.find(output).map((finding) => finding.form)).toContain(form)
    }
  })

  const secret = text.value
  const withCause = new KeywrightError('ERR_INTERNAL', 'x', {
    cause: new Error('y', { cause: new Error(secret) }),
  })
  it.each<[string, unknown]>([
    ['message', new KeywrightError('ERR_INTERNAL', `wrong: ${secret}`)],
    ['hint', new KeywrightError('ERR_INTERNAL', 'x', { hint: secret })],
    ['details', new KeywrightError('ERR_INTERNAL', 'x', { details: { path: ['a', secret] } })],
    ['cause of the cause', withCause],
    ['property', Object.assign(new Error('x'), { input: { deep: [secret] } })],
    ['hidden property', Object.defineProperty(new Error('x'), 'input', { value: secret })],
    ['symbol', Object.assign(new Error('x'), { [Symbol('s')]: secret })],
    ['member of an AggregateError', new AggregateError([new Error(secret)])],
    ['thrown text', secret],
    ['bytes in a property', Object.assign(new Error('x'), { key: Buffer.from(secret) })],
  ])('finds it in an error: %s', (_, error) => {
    expect(search.find(outputOf(error)).length).toBeGreaterThan(0)
  })
})
