/** Commands on the policy. */
import type { CommandSpec } from '../call.ts'
import { TENANT } from './common.ts'

export const policySpecs: readonly CommandSpec[] = [
  {
    name: 'explain <field-or-key-type>',
    summary: 'say which key serves a field or key type, and why',
    options: [
      TENANT,
      {
        flags: '--operation <name>',
        description: 'encrypt (default) or decrypt',
        choices: ['encrypt', 'decrypt'],
      },
    ],
    examples: [
      ['keywright explain users.email', 'key type, provider, rotation'],
      ['keywright explain financial_data', 'a key type'],
    ],
    load: async () => (await import('../commands/policy.ts')).explainPolicy,
  },
  {
    name: 'plan <policy-file>',
    summary: 'say what another policy document would change, and for how many keys',
    details: 'Exit code 1 when data would be out of reach under it.',
    examples: [['keywright plan config/encryption.new.json', 'before it takes effect']],
    load: async () => (await import('../commands/policy.ts')).planPolicy,
  },
  {
    name: 'schema',
    summary: 'print the JSON Schema of policy documents',
    examples: [['keywright schema > encryption.schema.json', 'for an editor']],
    load: async () => (await import('../commands/policy.ts')).schema,
  },
]
