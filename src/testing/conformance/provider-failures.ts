/** The contract of a provider whose master key, identity or server fails it. */
import assert from 'node:assert/strict'
import type { ErrorCode } from '../../errors.ts'
import type { CallOptions, KeyProvider, WrappedKey } from '../../provider.ts'
import type { Fixture, ProviderCase } from './provider-fixture.ts'
import { codeOf, failureOf, sameBytes, wrapContext } from './provider-kit.ts'
import { within } from './runner.ts'

const context = wrapContext()
/** A call to a server that is not there fails by itself within this time. */
const DEADLINE_MS = 5_000
/** When a call to a server that never answers is aborted. */
const ABORT_AFTER_MS = 200
/** How soon a call ends after its signal, a busy machine allowed for. */
const GRACE_MS = 3_000

const GONE: readonly ErrorCode[] = ['ERR_MASTER_KEY_DELETED', 'ERR_MASTER_KEY_NOT_FOUND']

async function assertServes({ newKey }: Fixture, provider: KeyProvider, what: string): Promise<void> {
  const key = newKey()
  const opened = await provider.unwrapKey(await provider.wrapKey(key, context), context)
  assert.ok(sameBytes(opened, key), `${what}: another key came back`)
}

export const MASTER_KEY_STATES: readonly ProviderCase[] = [
  {
    title: 'a disabled master key refuses, an enabled one serves again',
    needs: ['disable', 'enable'],
    async run(fixture) {
      const { first, harness, newKey, refusedAs } = fixture
      const key = newKey()
      const wrapped = await first.wrapKey(key, context)
      const disabled = ['ERR_MASTER_KEY_DISABLED'] as const
      await harness.disable()
      assert.equal((await first.describeMasterKey()).state, 'disabled')
      await refusedAs(first, 'wrap', disabled, () => first.wrapKey(key, context))
      await refusedAs(first, 'unwrap', disabled, () => first.unwrapKey(wrapped, context))
      await harness.enable()
      assert.equal((await first.describeMasterKey()).state, 'enabled')
      assert.ok(sameBytes(await first.unwrapKey(wrapped, context), key), 'another key came back')
      await assertServes(fixture, first, 'enabled again')
    },
  },
  {
    title: 'a deleted master key has its code',
    needs: ['delete'],
    async run({ first, harness, newKey, refusedAs }) {
      const key = newKey()
      const wrapped = await first.wrapKey(key, context)
      await harness.delete()
      await refusedAs(first, 'wrap', GONE, () => first.wrapKey(key, context))
      await refusedAs(first, 'unwrap', GONE, () => first.unwrapKey(wrapped, context))
      const state = await first.describeMasterKey().then(
        (master) => master.state,
        (error: unknown) => codeOf(first, error),
      )
      const said = [...GONE, 'pending-deletion'].includes(state)
      assert.ok(said, `describe: expected pending-deletion or ${GONE.join(' or ')}, got ${state}`)
    },
  },
  {
    title: 'an unknown master key has its code',
    needs: ['openUnknown'],
    async run({ first, harness, keep, newKey, refused, refusedAs }) {
      const key = newKey()
      const wrapped = await first.wrapKey(key, context)
      const unknown = keep(await harness.openUnknown())
      const code = ['ERR_MASTER_KEY_NOT_FOUND'] as const
      await refusedAs(unknown, 'describe', code, () => unknown.describeMasterKey())
      await refusedAs(unknown, 'wrap', code, () => unknown.wrapKey(key, context))
      await refused(unknown, "unwrap of another's wrap", () => unknown.unwrapKey(wrapped, context))
      await refusedAs(unknown, 'wrap again', code, () => unknown.wrapKey(key, context))
      await refusedAs(unknown, 'describe again', code, () => unknown.describeMasterKey())
    },
  },
]

export const SERVER_FAILURES: readonly ProviderCase[] = [
  {
    title: 'a missing permission has its code',
    needs: ['openDenied'],
    async run({ first, harness, keep, newKey, refused, refusedAs }) {
      const key = newKey()
      const wrapped = await first.wrapKey(key, context)
      const denied = keep(await harness.openDenied())
      const code = ['ERR_PROVIDER_DENIED'] as const
      await refusedAs(denied, 'wrap', code, () => denied.wrapKey(key, context))
      await refusedAs(denied, 'describe', code, () => denied.describeMasterKey())
      await refused(denied, 'unwrap', () => denied.unwrapKey(wrapped, context))
    },
  },
  {
    title: 'an unreachable server fails with its code',
    needs: ['openUnreachable'],
    async run({ first, harness, keep, newKey, refused, refusedAs }) {
      const key = newKey()
      const wrapped = await first.wrapKey(key, context)
      const gone = keep(await harness.openUnreachable())
      const options = { signal: AbortSignal.timeout(DEADLINE_MS) }
      const code = ['ERR_PROVIDER_UNAVAILABLE'] as const
      const calls = Promise.all([
        refusedAs(gone, 'wrap', code, () => gone.wrapKey(key, context, options)),
        refusedAs(gone, 'describe', code, () => gone.describeMasterKey(options)),
        refused(gone, 'unwrap', () => gone.unwrapKey(wrapped, context, options)),
      ])
      await within(DEADLINE_MS + GRACE_MS, 'calls to a server that is not there', calls)
    },
  },
  {
    title: 'a hanging server ends with the signal',
    needs: ['openHanging'],
    async run({ first, harness, keep, newKey }) {
      const key = newKey()
      const wrapped = await first.wrapKey(key, context)
      const hanging = keep(await harness.openHanging())
      await Promise.all(
        callsOf(hanging, key, wrapped).map(([name, call]) => assertEndsWithSignal(hanging, name, call)),
      )
    },
  },
  {
    title: 'throttled, then served',
    needs: ['openThrottled'],
    async run(fixture) {
      const throttled = fixture.keep(await fixture.harness.openThrottled())
      const key = fixture.newKey()
      const wrap = (): Promise<unknown> => throttled.wrapKey(key, context)
      await fixture.refusedAs(throttled, 'the first call', ['ERR_PROVIDER_THROTTLED'], wrap)
      await assertServes(fixture, throttled, 'after it was throttled')
    },
  },
  {
    title: 'credentials that expire are renewed',
    needs: ['openExpiring'],
    async run(fixture) {
      const { provider, expire } = await fixture.harness.openExpiring()
      fixture.keep(provider)
      const key = fixture.newKey()
      const wrapped = await provider.wrapKey(key, context)
      await expire()
      const [opened] = await Promise.all([
        provider.unwrapKey(wrapped, context),
        assertServes(fixture, provider, 'after the credentials expired'),
        provider.describeMasterKey(),
      ])
      assert.ok(sameBytes(opened, key), 'the wrap from before opened to another key')
    },
  },
]

type SignalledCall = (options: CallOptions) => Promise<unknown>

function callsOf(provider: KeyProvider, key: Uint8Array, wrapped: WrappedKey): [string, SignalledCall][] {
  const { rewrapKey, rotateMasterKey } = provider
  const calls: [string, SignalledCall][] = [
    ['wrap', (options) => provider.wrapKey(key, context, options)],
    ['unwrap', (options) => provider.unwrapKey(wrapped, context, options)],
    ['describe', (options) => provider.describeMasterKey(options)],
  ]
  if (rotateMasterKey) calls.push(['rotate', (options) => rotateMasterKey.call(provider, options)])
  if (rewrapKey) calls.push(['rewrap', (options) => rewrapKey.call(provider, wrapped, context, options)])
  return calls
}

/**
 * The wrap was made through another address: a provider that knows it for a stranger's by its label may refuse it at
 * once. Everything else waits for the server, and ends with the signal.
 */
async function assertEndsWithSignal(provider: KeyProvider, name: string, call: SignalledCall): Promise<void> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), ABORT_AFTER_MS)
  let early = false
  try {
    const failing = failureOf(() => call({ signal: controller.signal }), name).finally(() => {
      early = !controller.signal.aborted
    })
    const error = await within(ABORT_AFTER_MS + GRACE_MS, `${name} with an aborted signal`, failing)
    if (early && (name === 'unwrap' || name === 'rewrap')) return
    const code = codeOf(provider, error)
    assert.ok(
      code === 'ERR_ABORTED',
      `${name}: expected ERR_ABORTED, got ${code}${early ? ' before it' : ''}`,
    )
  } finally {
    clearTimeout(timer)
  }
}
