/** Finding the policy document and making it a policy. The parser, and zod with it, is loaded only when there is one. */
import { readFile } from 'node:fs/promises'
import { KeywrightError } from '../errors.ts'
import type { PolicyOverrides } from '../policy/overrides.ts'
import type { Policy } from '../policy/policy.ts'
import { defaultPolicy } from '../policy/resolve.ts'
import { from, prefer, type Sourced } from './configuration.ts'
import type { Source } from './setting.ts'

export const DEFAULT_CONFIG_PATH = 'config/encryption.json'

/** A policy document as it was found, not yet parsed. */
export interface PolicyDocument {
  readonly source: Source
  readonly path: string
  readonly text?: string
  readonly value?: object
}

/**
 * The document given as an option, else the one the environment names, else the one in the usual place, if there is
 * one. Throws ERR_CONFIG_UNREADABLE.
 */
export async function readPolicyDocument(
  given: string | object | undefined,
  configPath: string | undefined,
): Promise<PolicyDocument | undefined> {
  if (typeof given === 'object') return { source: 'option', path: 'given as object', value: given }
  const named = prefer(from('option', given), from('environment', configPath))
  const path = named?.value ?? DEFAULT_CONFIG_PATH
  try {
    return { source: named?.source ?? 'policy document', path, text: await readFile(path, 'utf8') }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (named === undefined && code === 'ENOENT') return undefined
    throw new KeywrightError('ERR_CONFIG_UNREADABLE', `cannot read the policy document ${path} (${code})`, {
      hint: 'correct the path (an option, or ENCRYPTION_CONFIG), or leave it out to use the default policy',
      details: { path },
    })
  }
}

/** What a document is resolved with. */
export interface PolicyResolution {
  readonly overrides: PolicyOverrides
  readonly knownProviders: readonly string[]
  readonly profile: Sourced<string> | undefined
}

/** The policy of the document, or the default one. Throws ERR_POLICY_INVALID. */
export async function resolvePolicyDocument(
  document: PolicyDocument | undefined,
  { overrides, knownProviders, profile }: PolicyResolution,
): Promise<Policy> {
  if (document === undefined) {
    if (profile !== undefined && profile.from !== 'NODE_ENV') throw noDocument()
    return defaultPolicy(overrides)
  }
  const { loadPolicyText, parsePolicyDocument } = await import('../policy/document.ts')
  const choice = profile && { name: profile.value, expected: profile.from === 'NODE_ENV' }
  const context = { overrides, knownProviders, source: document.path, profile: choice }
  return document.text === undefined
    ? parsePolicyDocument(document.value, context)
    : loadPolicyText(document.text, document.path, context)
}

function noDocument(): KeywrightError {
  return new KeywrightError('ERR_CONFIG_INVALID', 'a profile is chosen, and there is no policy document', {
    hint: `unset ENCRYPTION_PROFILE, or write the document (ENCRYPTION_CONFIG, else ${DEFAULT_CONFIG_PATH})`,
  })
}
