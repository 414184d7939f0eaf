import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluate, evaluateKey, type KeyFacts, rotationDue } from '../../src/policy/evaluate.ts'
import { explain } from '../../src/policy/explain.ts'
import { planPolicy } from '../../src/policy/plan.ts'
import type { KeyTypePolicy, PerformanceMode, Policy } from '../../src/policy/policy.ts'
import { defaultPolicy } from '../../src/policy/resolve.ts'

const MODES: readonly PerformanceMode[] = ['security', 'balanced', 'performance']
const anyNumber = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(0, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 8.64e15),
)
const time = fc.integer({ min: 0, max: 4e12 })
const span = fc.oneof(fc.integer({ min: 1, max: 1e11 }), fc.constant(Number.POSITIVE_INFINITY))

const keyWith = (numbers: fc.Arbitrary<number>): fc.Arbitrary<KeyFacts> =>
  fc.record({
    state: fc.constantFrom('pending', 'active', 'deactivated', 'suspended', 'compromised', 'destroyed'),
    activatesAt: numbers,
    createdAt: numbers,
    usage: fc.record({ messages: numbers, bytes: numbers }),
  })

const policyWith = (numbers: fc.Arbitrary<number>): fc.Arbitrary<KeyTypePolicy> =>
  fc.record({
    description: fc.string(),
    provider: fc.string(),
    furtherProviders: fc.array(fc.string(), { maxLength: 3 }),
    minWraps: numbers,
    algorithm: fc.constantFrom('AES-256-GCM', 'X-AES-256-GCM', 'HMAC-SHA-256'),
    rotation: fc.record({ auto: fc.boolean(), ageMs: numbers, messages: numbers, bytes: numbers }),
    maxAgeMs: numbers,
    afterMaxAge: fc.constantFrom('decrypt', 'refuse'),
    maxMessages: numbers,
    graceMs: numbers,
    compromised: fc.constantFrom('decrypt', 'refuse'),
    cache: fc.record({ ttlMs: numbers, uses: numbers, refreshMs: numbers }),
    serveStaleMs: numbers,
    tenants: fc.constantFrom('none', 'optional', 'required'),
    auditAccess: fc.boolean(),
  })

const operation = fc.constantFrom('encrypt' as const, 'decrypt' as const)
const name = fc.oneof(fc.string(), fc.constantFrom('pii', 'session', 'constructor', '__proto__', 'toString'))
const request = fc.record(
  {
    operation,
    keyType: name,
    field: fc.oneof(name, fc.constantFrom('users.email', '*.email', '..')),
    tenant: fc.oneof(name, fc.constantFrom('t1', '../t')),
    key: keyWith(anyNumber),
  },
  { requiredKeys: ['operation'] },
)

const policyOf = (pii: KeyTypePolicy): Policy => ({ ...defaultPolicy(), keyTypes: { pii } })

describe('evaluation', () => {
  it('is total: every request gets an answer, in sentences too', () => {
    fc.assert(
      fc.property(policyWith(anyNumber), request, anyNumber, (pii, asked, now) => {
        const policy = policyOf(pii)
        const decision = evaluate(policy, asked, now)
        expect(decision.allowed).toBe(decision.code === undefined)
        expect(explain(policy, asked, now).decision).toEqual(decision)
      }),
      { numRuns: 300 },
    )
  })

  it('is total for plans', () => {
    const keys = fc.array(fc.record({ key: keyWith(anyNumber), keyring: name }), { maxLength: 5 })
    fc.assert(
      fc.property(policyWith(anyNumber), keys, anyNumber, (pii, entries, now) => {
        const listed = entries.map(({ key, keyring }) => ({ ...key, keyring, wrappedBy: [] }))
        const [from, to] = [policyOf(pii), { ...defaultPolicy(), selectors: [] }]
        expect(planPolicy(from, from, listed, now)).toMatchObject({ isEmpty: true, warnings: [] })
        expect(planPolicy(from, to, listed, now).isEmpty).toBe(false)
      }),
      { numRuns: 30 },
    )
  })

  it('lets a key that may encrypt decrypt as well, at least as long', () => {
    fc.assert(
      fc.property(policyWith(anyNumber), keyWith(anyNumber), anyNumber, (policy, key, now) => {
        const encrypt = evaluateKey(policy, 'encrypt', key, now)
        const decrypt = evaluateKey(policy, 'decrypt', key, now)
        fc.pre(encrypt.allowed)
        expect(decrypt.allowed).toBe(true)
        expect(decrypt.until).toBeGreaterThanOrEqual(encrypt.until)
      }),
    )
  })

  it('keeps its word: the answer holds before `until`', () => {
    fc.assert(
      fc.property(policyWith(span), operation, keyWith(time), time, time, (policy, op, key, now, later) => {
        const decision = evaluateKey(policy, op, key, now)
        const then = now + later
        fc.pre(then < decision.until)
        // The state is a matter of time too: a key that is pending is so only before its date.
        fc.pre(key.state !== 'pending' || then < key.activatesAt)
        expect(evaluateKey(policy, op, key, then).allowed).toBe(decision.allowed)
      }),
    )
  })

  it('never allows more as time goes on or as a key is used', () => {
    fc.assert(
      fc.property(policyWith(span), operation, keyWith(time), time, time, (policy, op, key, now, more) => {
        const used = { ...key, usage: { messages: key.usage.messages + more, bytes: key.usage.bytes + more } }
        fc.pre(!evaluateKey(policy, op, key, now).allowed)
        expect(evaluateKey(policy, op, key, now + more).allowed).toBe(false)
        expect(evaluateKey(policy, op, used, now).allowed).toBe(false)
      }),
    )
  })

  it('never allows more under a stricter policy', () => {
    fc.assert(
      fc.property(
        policyWith(span),
        operation,
        keyWith(time),
        time,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (policy, op, key, now, part) => {
          const stricter: KeyTypePolicy = {
            ...policy,
            maxAgeMs: Math.min(policy.maxAgeMs, 1e11) * part,
            maxMessages: Math.min(policy.maxMessages, 1e11) * part,
            afterMaxAge: 'refuse',
            compromised: 'refuse',
          }
          const strict = evaluateKey(stricter, op, key, now)
          fc.pre(strict.allowed)
          expect(evaluateKey(policy, op, key, now).allowed).toBe(true)
          expect(strict.until).toBeLessThanOrEqual(evaluateKey(policy, op, key, now).until)
        },
      ),
    )
  })

  it('never allows more in a stricter mode, and caches less', () => {
    const policies = MODES.map((performanceMode) => defaultPolicy({ performanceMode }))
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(defaultPolicy().keyTypes)),
        operation,
        keyWith(time),
        time,
        (keyType, op, key, now) => {
          const asked = { operation: op, keyType, key }
          const [strict, ...others] = policies.map((policy) => evaluate(policy, asked, now))
          for (const other of others) expect(other).toEqual(strict)
          const numbers = policies.map(({ keyTypes }) => keyTypes[keyType])
          for (const [low, high] of [numbers.slice(0, 2), numbers.slice(1)]) {
            expect(low?.cache.ttlMs).toBeLessThan(high?.cache.ttlMs ?? 0)
            expect(low?.cache.uses).toBeLessThan(high?.cache.uses ?? 0)
            expect(low?.cache.refreshMs).toBeLessThan(high?.cache.refreshMs ?? 0)
            expect(low?.serveStaleMs).toBeLessThan(high?.serveStaleMs ?? 0)
          }
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('rotation', () => {
  it('stays due as time goes on', () => {
    fc.assert(
      fc.property(policyWith(span), keyWith(time), time, time, (policy, key, now, later) => {
        const status = rotationDue(policy, key, now)
        const then = rotationDue(policy, key, now + later)
        expect(then.reasons).toEqual(expect.arrayContaining([...status.reasons]))
        expect(Number(then.due)).toBeGreaterThanOrEqual(Number(status.due))
        expect(Number(then.overdue)).toBeGreaterThanOrEqual(Number(status.overdue))
      }),
    )
  })

  it('never becomes due earlier with a longer rotation age', () => {
    fc.assert(
      fc.property(policyWith(span), keyWith(time), time, span, (policy, key, now, more) => {
        const longer = { ...policy, rotation: { ...policy.rotation, ageMs: policy.rotation.ageMs + more } }
        expect(rotationDue(longer, key, now).at).toBeGreaterThanOrEqual(rotationDue(policy, key, now).at)
        fc.pre(rotationDue(longer, key, now).due)
        expect(rotationDue(policy, key, now).due).toBe(true)
      }),
    )
  })
})
