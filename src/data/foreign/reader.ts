/** What reads values that another library, or nobody, encrypted: while a migration lasts, and never after it. */

/**
 * Reads one foreign format. Write one for the library you come from:
 *
 *     const reader: ForeignReader = {
 *       name: 'acme',
 *       recognises: (value) => typeof value === 'string' && value.startsWith('acme:'),
 *       open: (value) => acme.decrypt(value),
 *     }
 */
export interface ForeignReader {
  /** As the policy's `migration.reads` and reports call it: `[a-z][a-z0-9-]{0,31}`, not 'current' */
  readonly name: string
  /** Whether `value` has the form of this format. Needs no key, proves nothing, never throws. */
  recognises(value: string | Uint8Array): boolean
  /**
   * The plaintext, as UTF-8 where it is text, in bytes that the caller may overwrite; `undefined` when the value does not open, for whatever reason: all
   * failures look the same. Throws (or rejects) only when it cannot work at all, as without a connection.
   */
  open(value: string | Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined>
}
