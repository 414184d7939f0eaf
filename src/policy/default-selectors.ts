/**
 * Which fields are sensitive when no document says so. Each name stands for the field itself at any depth
 * (`*.email`); those in `suffixes` also for fields that end in it (`*.*_email`: billing_email, home_email).
 *
 * Left out on purpose: `name` and `*_name` (file_name, table_name), `city` and `country` (too coarse), passwords and
 * PINs (to be hashed, not encrypted: nobody should be able to read them back), card verification codes (PCI DSS
 * forbids keeping them, encrypted or not).
 */
import type { Selector } from './policy.ts'

interface Names {
  readonly keyType: string
  readonly suffixes: readonly string[]
  readonly exact: readonly string[]
}

const words = (text: string): string[] => text.trim().split(/\s+/)

const NAMES: readonly Names[] = [
  {
    keyType: 'pii',
    suffixes: words(`
      email e_mail phone phone_number telephone mobile mobile_number fax
      ssn social_security_number national_id passport_number tax_id tax_number
      birth_date birthdate date_of_birth dob
      first_name last_name middle_name full_name given_name family_name maiden_name surname
      address street postal_code zip_code postcode ip
    `),
    exact: words(`
      birthday passport drivers_license driver_license drivers_license_number driver_license_number
      license_plate national_insurance_number
      address1 address2 address_1 address_2 address_line1 address_line2 address_line_1 address_line_2
      street_name house_number
      medical_record_number health_insurance_number diagnosis ethnicity religion sexual_orientation
      biometric_data fingerprint_data
    `),
  },
  {
    keyType: 'financial_data',
    suffixes: words(`
      income salary wage balance iban account_number bank_account routing_number sort_code
      card_number credit_card debit_card net_worth credit_score
    `),
    exact: words('credit_limit cardholder_name card_holder card_holder_name tax_return'),
  },
  {
    keyType: 'api_keys',
    suffixes: words('api_key apikey token secret private_key secret_key access_key signing_key'),
    exact: [],
  },
  { keyType: 'session', suffixes: [], exact: ['session_data'] },
]

/** The selectors that are there without a document. */
export const DEFAULT_SELECTORS: readonly Selector[] = NAMES.flatMap(({ keyType, suffixes, exact }) =>
  [...suffixes, ...exact, ...suffixes.map((name) => `*_${name}`)].map((name) => ({
    pattern: `*.${name}`,
    keyType,
    source: 'default' as const,
  })),
)
