/** `explain`, `plan` and `schema`. */

import { KeywrightError } from '../../errors.ts'
import type { Operation, PolicyRequest } from '../../policy/evaluate.ts'
import type { Explanation } from '../../policy/explain.ts'
import type { KeyTypePlan, PolicyPlan } from '../../policy/plan.ts'
import type { Policy } from '../../policy/policy.ts'
import type { Call } from '../call.ts'
import { configuration, openOptions, policyInForce, withKeywright } from '../opened.ts'
import { count, paint } from '../text.ts'

export async function explainPolicy(call: Call): Promise<number> {
  const { options, output } = call
  const policy = await policyInForce(call)
  const request = requestOf(call, policy)
  const { lines, decision } = await explanation(call, policy, request)
  await output.result(
    { allowed: decision.allowed, lines, decision },
    lines.map((line) => `${line}\n`).join(''),
  )
  return decision.allowed || options.text('operation') === 'decrypt' ? 0 : 1
}

/** A name with a dot is a field; one that is no key type is a column. */
function requestOf({ args, options }: Call, policy: Policy): PolicyRequest {
  const [name = ''] = args
  const tenant = options.text('tenant')
  const operation = (options.text('operation') ?? 'encrypt') as Operation
  const target = Object.hasOwn(policy.keyTypes, name) ? { keyType: name } : { field: name }
  return { operation, ...target, ...(tenant === undefined ? {} : { tenant }) }
}

/** With the key that would serve it, where the store can be read. */
async function explanation(call: Call, policy: Policy, request: PolicyRequest): Promise<Explanation> {
  try {
    return await withKeywright(call, (keywright) => keywright.explain(request))
  } catch (error) {
    if (!(error instanceof KeywrightError)) throw error
    if (error.code !== 'ERR_BACKEND_MISSING')
      await call.output.note(`without the key store: ${error.message}`)
    const { explain } = await import('../../policy/explain.ts')
    return explain(policy, request, call.io.now())
  }
}

export async function schema({ output }: Call): Promise<undefined> {
  const { policyJsonSchema } = await import('../../policy/document.ts')
  const text = JSON.stringify(policyJsonSchema(), null, 2)
  await output.data(`${text}\n`)
}

export async function planPolicy(call: Call): Promise<number> {
  const [path = ''] = call.args
  const { configure } = await import('../../compose.ts')
  const { planPolicy: compare } = await import('../../policy/plan.ts')
  const before = await configuration(call)
  const after = await configure({ ...openOptions(call), config: path }).catch((error: unknown) => {
    throw underNew(path, error)
  })
  return withKeywright(call, async ({ keys }) => {
    const known = (await keys.list()).map((key) => ({
      ...key,
      wrappedBy: key.wraps.map(({ provider }) => provider),
    }))
    const plan = compare(before.policy, after.policy, known, call.io.now())
    await call.output.result(plan, planText(plan, call.output.colours))
    return plan.warnings.some(({ level }) => level === 'error') ? 1 : 0
  })
}

/** A document that is wrong in itself names itself; what follows from it (no backend) does not. */
function underNew(path: string, error: unknown): unknown {
  if (!(error instanceof KeywrightError) || error.message.includes(path)) return error
  const { code, message, hint, details } = error
  return new KeywrightError(code, `under ${path}: ${message}`, {
    details,
    ...(hint === undefined ? {} : { hint }),
  })
}

function planText(plan: PolicyPlan, colours: boolean): string {
  if (plan.isEmpty) return 'nothing would change\n'
  const title = (text: string): string => paint(text, 'bold', colours)
  const arrow = (from = 'nothing', to = 'nothing'): string => `${from} -> ${to}`
  const blocks = [
    ...plan.warnings.map(({ level, subject, message, keys }) => {
      const label = paint(`${level}:`, level === 'error' ? 'red' : 'yellow', colours)
      return `${label} ${subject}: ${message} (${count(keys, 'key')})`
    }),
    ...plan.settings.map(({ path, from, to }) => `${title(path)}: ${arrow(from, to)}`),
    ...plan.keyTypes.map((keyType) => keyTypeText(keyType, title, arrow)),
    ...plan.fields.map(({ pattern, from, to }) => `field ${title(pattern)}: ${arrow(from, to)}`),
  ]
  return blocks.map((block) => `${block}\n`).join('')
}

function keyTypeText(
  plan: KeyTypePlan,
  title: (text: string) => string,
  arrow: (from?: string, to?: string) => string,
): string {
  const effects = EFFECTS.flatMap(([name, what]) =>
    plan[name] === 0 ? [] : [`${count(plan[name], 'key')} ${what}`],
  )
  return [
    `${title(plan.keyType)}: ${plan.kind}, ${count(plan.keys, 'key')}`,
    ...plan.changes.map(({ path, from, to }) => `  ${path}: ${arrow(from, to)}`),
    ...effects.map((effect) => `  ${effect}`),
  ].join('\n')
}

const EFFECTS: readonly (readonly [
  keyof KeyTypePlan & `${'become' | 'noLonger' | 'stop' | 'start' | 'move'}${string}`,
  string,
])[] = [
  ['becomeDue', 'due to be rotated'],
  ['noLongerDue', 'not due any more'],
  ['stopEncrypting', 'not encrypting any more'],
  ['startEncrypting', 'encrypting again'],
  ['stopDecrypting', 'not decrypting any more'],
  ['startDecrypting', 'decrypting again'],
  ['moveProvider', 'to be moved to the new provider'],
]
