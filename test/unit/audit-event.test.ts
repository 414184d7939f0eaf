import { describe, expect, it } from 'vitest'
import { admitEvent } from '../../src/audit/append.ts'
import { AUDIT_EVENTS, type AuditEvent } from '../../src/audit/event.ts'
import { KeywrightError } from '../../src/errors.ts'

const admit = (event: unknown) => admitEvent(event as AuditEvent)

function errorOf(run: () => unknown): KeywrightError {
  try {
    run()
  } catch (error) {
    if (error instanceof KeywrightError) return error
  }
  throw new Error('expected a KeywrightError')
}

describe('the table of events', () => {
  it.each(Object.entries(AUDIT_EVENTS))('%s is named and described', (name, text) => {
    expect(name).toMatch(/^[a-z]+\.[a-z-]+$/)
    expect(text.length).toBeGreaterThan(10)
    expect(text).not.toMatch(/\.$/)
  })
})

describe('admitEvent', () => {
  it('makes a frozen copy and fills in the actor', () => {
    const event = { event: 'key.create' as const, keyId: 7, details: { n: 1 } }
    const admitted = admitEvent(event, { actor: 'cli' })
    event.details.n = 2
    expect(admitted).toEqual({ event: 'key.create', keyId: 7, actor: 'cli', details: { n: 1 } })
    expect(Object.isFrozen(admitted) && Object.isFrozen(admitted.details)).toBe(true)
    expect(admitEvent({ event: 'key.create', actor: 'me' }, { actor: 'cli' }).actor).toBe('me')
  })

  it('takes what is at the limits', () => {
    const details = Object.fromEntries(Array.from({ length: 32 }, (_, n) => [`n${n}`, 'x'.repeat(1000)]))
    expect(() => admit({ event: 'key.create', reason: 'x'.repeat(1000), details })).not.toThrow()
    expect(() => admit({ event: 'key.create', keyId: 2 ** 32 - 1, keyVersion: 1 })).not.toThrow()
    expect(admit({ event: 'key.create', reason: undefined })).toEqual({ event: 'key.create' })
  })

  it.each<[string, unknown]>([
    ['no object', null],
    ['an unknown name', { event: 'key.steal' }],
    ['a name of Object.prototype', { event: 'toString' }],
    ['a reserved name', { event: 'audit.checkpoint' }],
    ['an unknown member', { event: 'key.create', plaintext: 'SECRET' }],
    ['a key id of 0', { event: 'key.create', keyId: 0 }],
    ['a key id above uint32', { event: 'key.create', keyId: 2 ** 32 }],
    ['a fractional version', { event: 'key.create', keyVersion: 1.5 }],
    ['a reason that is too long', { event: 'key.create', reason: 'SECRET'.repeat(200) }],
    ['a lone surrogate', { event: 'key.create', reason: 'SECRET\ud800' }],
    ['an actor that is no string', { event: 'key.create', actor: 5 }],
    ['details that are no object', { event: 'key.create', details: ['SECRET'] }],
    ['a detail that is not finite', { event: 'key.create', details: { n: Number.NaN } }],
    ['a detail that is an object', { event: 'key.create', details: { n: { SECRET: 1 } } }],
    ['a detail with a bad name', { event: 'key.create', details: { 'SECRET name': 1 } }],
    ['a detail that is too long', { event: 'key.create', details: { n: 'SECRET'.repeat(200) } }],
    [
      'too many details',
      {
        event: 'key.create',
        details: Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`n${n}`, 1])),
      },
    ],
    [
      'too many bytes',
      {
        event: 'key.create',
        details: Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`n${n}`, '€'.repeat(1000)])),
      },
    ],
  ])('refuses %s', (_, event) => {
    const error = errorOf(() => admit(event))
    expect(error.code).toBe('ERR_ARGUMENT_INVALID')
    expect(error.hint).toBeTruthy()
    expect(JSON.stringify(error)).not.toContain('SECRET')
  })
})
