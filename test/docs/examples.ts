/** The examples: those in docs/format.md, and the frozen set they are taken from. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Algorithm, Context, Wrap } from './reader.ts'

const ROOT = join(import.meta.dirname, '../..')

export interface ValueExample {
  readonly name: string
  readonly keyring: string
  readonly keyId: number
  readonly algorithm: Algorithm
  readonly context: Context
  readonly aad: string
  readonly as: string
  readonly value: unknown
  readonly plaintext: string
  readonly salt?: string
  readonly subkey?: string
  readonly iv: string
  readonly body: string
  readonly tag: string
  readonly wire: string
  readonly text: string
}

export interface RecordExample {
  readonly id: number
  readonly keyring: string
  readonly version: number
  readonly algorithm: Algorithm
  readonly created_at: number
  readonly activates_at: number
  readonly status: string
  readonly status_at: number
  readonly status_reason: string
  readonly wraps: string
  readonly commitment: string
  readonly mac: string
  readonly messages: number
  readonly bytes: number
  readonly revision: number
  readonly macInput: string
  readonly wrapContext: string
}

export interface FileExample {
  readonly name: string
  readonly keyId: number
  readonly context: Context
  readonly header: string
  readonly fileKey: string
  readonly salt: string
  readonly noncePrefix: string
  readonly segmentKey: string
  readonly file: string
  readonly path?: string
}

/** Every example by name. */
export interface Examples {
  readonly contexts: { readonly contexts: readonly { context: Context; canonical: string; hex: string }[] }
  readonly keys: {
    readonly keys: readonly {
      keyring: string
      version: number
      id: number
      algorithm: Algorithm
      dataKey: string
    }[]
  }
  readonly 'derived-keys': { dataKey: string; commitment: string; recordMacKey: string; auditMacKey: string }
  readonly values: { readonly values: readonly ValueExample[] }
  readonly 'value-types': { readonly values: readonly ValueExample[] }
  readonly rejected: {
    readonly keyring: string
    readonly aad: string
    readonly rejected: readonly { why: string; text: string; code: string }[]
  }
  readonly tokens: {
    readonly keyring: string
    readonly keyId: number
    readonly field: string
    readonly tokens: readonly {
      normaliser: 'exact' | 'lower' | 'email' | 'email_domain' | 'digits' | 'last4'
      value: string
      bits?: number
      slow?: string
      normalised: string
      input: string
      token: string
    }[]
  }
  readonly records: { readonly records: readonly RecordExample[] }
  readonly 'key-file': {
    readonly rootKey: string
    readonly lines: readonly string[]
    readonly sealingKey: string
    readonly associatedData: string
    readonly masterKeyId: string
    readonly masterKeys: readonly { version: number; key: string }[]
  }
  readonly wrap: {
    readonly wrap: Wrap
    readonly masterKey: string
    readonly context: string
    readonly associatedData: string
    readonly payload: string
  }
  readonly envelope: {
    readonly context: Context
    readonly aad: string
    readonly wrapped: Wrap
    readonly wrapContext: string
    readonly dataKey: string
    readonly plaintext: string
    readonly blob: string
  }
  readonly keyset: { readonly json: string; readonly binary: string }
  readonly 'encrypted-keyset': { readonly json: string; readonly binary: string }
  readonly files: { readonly plaintext: string; readonly files: readonly FileExample[] }
  readonly 'audit-log': { readonly lines: readonly string[]; readonly head: string }
  readonly 'pruned-audit-log': { readonly lines: readonly string[]; readonly head: string; macInput: string }
}

function byName(list: readonly { readonly example: string }[]): Examples {
  const entries = list.map(({ example, ...rest }) => [example, rest])
  return Object.fromEntries(entries) as unknown as Examples
}

/** The text of a document. */
export function documentText(name: string): string {
  return readFileSync(join(ROOT, 'docs', name), 'utf8')
}

/** The examples of docs/format.md: its blocks of JSON that have a member "example". */
export function documentExamples(): Examples {
  const blocks = documentText('format.md').matchAll(/```json\n(\{\n {2}"example": [^`]*)\n```/g)
  return byName([...blocks].map(([, json = '']) => JSON.parse(json) as { example: string }))
}

/** The frozen set. */
export function frozenExamples(): Examples {
  const text = readFileSync(join(ROOT, 'test/vectors/keywright-v1.json'), 'utf8')
  return byName((JSON.parse(text) as { examples: { example: string }[] }).examples)
}
