/**
 * Policy documents. Loads zod, so it is imported only where a document is read: `await import('./document.ts')`.
 * Everything wrong is reported at once, by path; a value never appears in a message.
 */
import * as z from 'zod'
import { didYouMean } from '../nearest.ts'
import { checkPolicy } from './check.ts'
import { checkForm } from './form.ts'
import { parseJsonText } from './json-text.ts'
import { applyOverrides, type PolicyOverrides } from './overrides.ts'
import type { Policy } from './policy.ts'
import { type Problem, policyInvalid, withoutConsequences } from './problems.ts'
import { readLayers } from './read.ts'
import { buildPolicy } from './resolve.ts'
import { PolicyDocument } from './schema.ts'

export interface ProfileChoice {
  readonly name: string
  /** The document need not have it. */
  readonly expected: boolean
}

export interface PolicyContext {
  /** Names of provider instances that exist beside those the document configures. */
  readonly knownProviders?: readonly string[]
  /** What the document was read from, for messages: a path. @default 'the policy document' */
  readonly source?: string
  /** The profile to take. One that is only `expected` may be missing: NODE_ENV names something in every program. */
  readonly profile?: ProfileChoice | undefined
  /** Settings that win over the document. */
  readonly overrides?: PolicyOverrides
}

/** The policy that `document` states. Throws ERR_POLICY_INVALID with everything that is wrong with it. */
export function parsePolicyDocument(document: unknown, context: PolicyContext = {}): Policy {
  const source = context.source ?? 'the policy document'
  const form = checkForm(document)
  if (form.document === undefined) throw policyInvalid(form.problems, source)
  const chosen = chooseProfile(Object.keys(form.document.profiles ?? {}), context.profile)
  if (chosen.problem !== undefined) throw policyInvalid([chosen.problem], source)
  const { layers, problems } = readLayers(form.document, chosen.profile)
  const stated = applyOverrides(layers, context.overrides ?? {})
  const policy = buildPolicy(stated)
  const content = [...problems, ...checkPolicy(policy, stated, context.knownProviders)]
  const all = [...form.problems, ...withoutConsequences(content, form.problems)]
  if (all.length > 0) throw policyInvalid(all, source)
  return chosen.profile === undefined ? policy : Object.freeze({ ...policy, profile: chosen.profile })
}

/** The name of a profile that the document has. What was asked for is a value, and not repeated. */
function chooseProfile(
  known: readonly string[],
  choice: ProfileChoice | undefined,
): { readonly profile?: string; readonly problem?: Problem } {
  if (choice === undefined) return {}
  if (known.includes(choice.name)) return { profile: choice.name }
  if (choice.expected) return {}
  const advice = didYouMean(choice.name, known) || `known: ${known.join(', ') || 'none'}`
  return { problem: { path: 'profiles', what: `no such profile as ENCRYPTION_PROFILE names; ${advice}` } }
}

/**
 * The policy that the text of a document states. Throws ERR_POLICY_INVALID, for JSON that is none with the line and
 * column and nothing of the text.
 */
export function loadPolicyText(text: string, source: string, context: PolicyContext = {}): Policy {
  return parsePolicyDocument(parseJsonText(text, source), { ...context, source })
}

/** The JSON Schema (2020-12) of policy documents, for editors. */
export function policyJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(PolicyDocument, { io: 'input' })
  return {
    $schema,
    $id: 'urn:keywright:schema:encryption:1',
    title: 'Keywright policy document',
    description: 'Which provider wraps which keys, when they rotate and which fields they encrypt.',
    ...schema,
  }
}
