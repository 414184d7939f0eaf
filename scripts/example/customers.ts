/** Makes the rows of examples/customers.csv. Nobody in them exists; every number, mail and token is reserved for tests. */
import { NOTES, REGIONS, type Region } from './people.ts'
import { type Random, seededRandom } from './random.ts'

const COLUMNS = [
  'id',
  'name',
  'email',
  'phone',
  'address',
  'birth_date',
  'income',
  'api_token',
  'notes',
  'country',
  'created_at',
] as const
const ROWS = 600
const SEED = 20_190_401
const FIRST_DAY_MS = Date.UTC(2019, 3, 1)
const STEP_MS = 4 * 3_600_000
const DAY_MS = 86_400_000
/** Kept for examples by RFC 2606. */
const DOMAINS = ['example.com', 'example.org', 'example.net'] as const
const HEX_DIGITS = 24

type Customer = Record<(typeof COLUMNS)[number], string>

const shown = (name: string): string => name.split('|')[0] ?? ''

/** How a name is spelled in a mail address: a-z only. */
const spelled = (name: string): string =>
  (name.split('|')[1] ?? name)
    .normalize('NFD')
    .toLowerCase()
    .replace(/[^a-z]/g, '')

function address(region: Region, random: Random): string {
  const parts: Record<string, string> = {
    S: random.pick(region.streets),
    C: random.pick(region.cities),
    P: random.fill(region.postcode),
  }
  const house = (digits: string): string => String(random.below(10 ** digits.length - 1) + 1)
  return region.address.replace(/#+|[SCP]/g, (sign) => parts[sign] ?? house(sign))
}

function birthDate(random: Random): string {
  const latest = Date.UTC(2006, 11, 31)
  return new Date(latest - random.below(65 * 365) * DAY_MS).toISOString().slice(0, 10)
}

function income(random: Random): string {
  if (random.chance(3)) return '0'
  const whole = 12_000 + random.below(90_000) + (random.chance(8) ? random.below(400_000) : 0)
  return random.chance(50) ? `${whole}` : `${whole}.${random.fill('#0')}`
}

function token(random: Random): string {
  const digits = Array.from({ length: HEX_DIGITS }, () => random.below(16).toString(16))
  return `tok_test_${digits.join('')}`
}

function customer(id: number, random: Random): Customer {
  const region = random.pick(REGIONS)
  const given = random.pick(region.given)
  const family = random.pick(region.family)
  const names = [shown(given), shown(family)]
  const orEmpty = (percent: number, value: string): string => (random.chance(percent) ? '' : value)
  return {
    id: String(id),
    name: (region.familyFirst === true ? names.reverse() : names).join(' '),
    email: orEmpty(2, `${spelled(given)}.${spelled(family)}${id}@${random.pick(DOMAINS)}`),
    phone: orEmpty(6, random.fill(region.phone)),
    address: orEmpty(4, address(region, random)),
    birth_date: orEmpty(3, birthDate(random)),
    income: orEmpty(10, income(random)),
    api_token: orEmpty(50, token(random)),
    notes: orEmpty(45, random.pick(NOTES)),
    country: region.country,
    created_at: new Date(FIRST_DAY_MS + id * 12 * STEP_MS + random.below(STEP_MS)).toISOString(),
  }
}

/** RFC 4180: a field with a quote, a comma or a line end stands in quotes, and a quote in it is doubled. */
const csvField = (value: string): string =>
  /["\r\n,]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value

/** The whole file, in UTF-8, lines ended by LF. */
export function customersCsv(): string {
  const random = seededRandom(SEED)
  const rows = Array.from({ length: ROWS }, (_, index) => {
    const row = customer(index + 1, random)
    return COLUMNS.map((column) => row[column])
  })
  return [[...COLUMNS], ...rows].map((row) => `${row.map(csvField).join(',')}\n`).join('')
}
