/** What the policy says to a request, or would change, over the keys that there are. */
import type { PolicyRequest } from '../policy/evaluate.ts'
import { type Explanation, explain } from '../policy/explain.ts'
import { type PolicyPlan, planPolicy } from '../policy/plan.ts'
import type { Policy } from '../policy/policy.ts'
import type { KeyServices } from './services.ts'
import { eachKeyInfo, type KeyInfo } from './views.ts'

/** What the policy says to a request, and why, with the key that would serve it. */
export async function explainRequest(services: KeyServices, request: PolicyRequest): Promise<Explanation> {
  const { clock, policy } = services
  const now = clock.now()
  const { keyring } = explain(policy, request, now).decision
  if (keyring === undefined || request.key !== undefined) return explain(policy, request, now)
  let key: KeyInfo | undefined
  for await (const info of eachKeyInfo(services, { keyring, state: 'active' })) key = info
  return explain(policy, { ...request, ...(key === undefined ? {} : { key }) }, now)
}

/** What `after` would change, and for how many keys. */
export async function planChange(services: KeyServices, after: Policy): Promise<PolicyPlan> {
  const keys = []
  for await (const info of eachKeyInfo(services)) {
    keys.push({ ...info, wrappedBy: info.wraps.map(({ provider }) => provider) })
  }
  // The providers are those of the program: a policy neither adds nor removes them.
  const planned = { ...after, providers: services.policy.providers }
  return planPolicy(services.policy, planned, keys, services.clock.now())
}
