/** Named ways to make values that count as equal the same text. The name is part of the token: it never changes meaning. */
import { domainToASCII } from 'node:url'

const folded = (value: string): string => value.normalize('NFKC').trim().toLowerCase().normalize('NFKC')

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
  /** Only the digits 0-9, after full-width ones became those: phone, card and account numbers. */
  digits: (value: string) => value.normalize('NFKC').replace(/[^0-9]/g, ''),
} as const satisfies Record<string, (value: string) => string>

export type NormaliserName = keyof typeof NORMALISERS
