/**
 * Named ways to make values that count as equal the same text, or to take the part out of them that is searched for.
 * The name is part of the token: it never changes meaning.
 */
import { domainToASCII } from 'node:url'
import { KeywrightError } from '../../errors.ts'

const folded = (value: string): string => value.normalize('NFKC').trim().toLowerCase().normalize('NFKC')

const digits = (value: string): string => value.normalize('NFKC').replace(/[^0-9]/g, '')

/** `Straße@BÜCHER.example` and `straße@xn--bcher-kva.example` are one address. */
function email(value: string): string {
  const address = folded(value)
  const at = address.lastIndexOf('@')
  const domain = at < 0 ? '' : domainToASCII(address.slice(at + 1))
  return domain === '' ? address : `${address.slice(0, at)}@${domain}`
}

export const NORMALISERS = {
  /** Unicode NFC, nothing else. */
  exact: (value: string) => value.normalize('NFC'),
  /** Unicode NFKC, surrounding white space removed, lower case. */
  lower: folded,
  /** As `lower`, with the domain in its ASCII form. Dots and +tags stay: what they mean is up to the provider. */
  email,
  /** What stands behind the last @ of `email`; empty where there is none. */
  email_domain: (value: string) => /@([^@]*)$/.exec(email(value))?.[1] ?? '',
  /** Only the digits 0-9, after full-width ones became those: phone, card and account numbers. */
  digits,
  /** The last four of `digits`. */
  last4: (value: string) => digits(value).slice(-4),
} as const satisfies Record<string, (value: string) => string>

export type NormaliserName = keyof typeof NORMALISERS

/** A normaliser of your own. */
export interface CustomNormaliser {
  /** Part of every token: `[a-z][a-z0-9_]{0,31}`, none of the built-in names. Another rule needs another name. */
  readonly name: string
  /** Gives the same text for values that count as equal; well-formed, always in the same way. */
  normalise(value: string): string
}

/** The normaliser by name, or as it is given. Throws ERR_ARGUMENT_INVALID. */
export function normaliserFor(normaliser: NormaliserName | CustomNormaliser): CustomNormaliser {
  if (typeof normaliser === 'string' && Object.hasOwn(NORMALISERS, normaliser))
    return { name: normaliser, normalise: NORMALISERS[normaliser] }
  if (typeof normaliser === 'object' && typeof normaliser?.normalise === 'function') {
    const { name } = normaliser
    if (/^[a-z][a-z0-9_]{0,31}$/.test(name) && !Object.hasOwn(NORMALISERS, name)) return normaliser
    throw new KeywrightError('ERR_ARGUMENT_INVALID', 'the name of a normaliser is not allowed', {
      hint: `1 to 32 characters out of a-z, 0-9 and "_", and none of ${Object.keys(NORMALISERS).join(', ')}`,
    })
  }
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'unknown normaliser', {
    hint: `one of ${Object.keys(NORMALISERS).join(', ')}, or { name, normalise } of your own`,
  })
}
