/** JSON Lines: one object per line. */
import { KeywrightError } from '../../errors.ts'

/** Characters of one line at most. */
const MAX_LINE = 16 * 2 ** 20

export interface JsonRow {
  readonly line: number
  readonly record: Record<string, unknown>
}

/** The objects, as they come; empty lines are passed over. */
export async function* readJsonLines(text: AsyncIterable<string>): AsyncGenerator<JsonRow> {
  let line = 0
  for await (const one of linesOf(text)) {
    line++
    if (one.trim() !== '') yield { line, record: parseLine(one, line) }
  }
}

async function* linesOf(text: AsyncIterable<string>): AsyncGenerator<string> {
  let rest: string[] = []
  let length = 0
  for await (const chunk of text) {
    const parts = chunk.split('\n')
    const last = parts.pop() ?? ''
    for (const part of parts) {
      yield rest.join('') + part
      rest = []
      length = 0
    }
    rest.push(last)
    length += last.length
    if (length > MAX_LINE) throw invalid('a line is longer than 16 MiB', 'each line is one JSON object')
  }
  const end = rest.join('')
  if (end !== '') yield end
}

function parseLine(text: string, line: number): Record<string, unknown> {
  let value: unknown
  try {
    // Only a number of many digits (or with an exponent) can lose something, and looking at each costs.
    value = /[0-9.]{16}|[0-9][eE]/.test(text) ? JSON.parse(text, refuseLoss) : JSON.parse(text)
  } catch (error) {
    if (error instanceof LossError) {
      throw invalid(
        `line ${line} has a number that JavaScript cannot hold exactly`,
        'write it in quotes',
        line,
      )
    }
    throw invalid(
      `line ${line} is not JSON`,
      'each line is one JSON object, for instance {"email":"ada@example.com"}',
      line,
    )
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw invalid(
    `line ${line} is not a JSON object`,
    'each line is one JSON object; an array is written as its elements',
    line,
  )
}

class LossError extends Error {}

/** Fields that are not encrypted stay as they are: 12345678901234567890 must not come out as …68000. */
function refuseLoss(_name: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source
  if (typeof value !== 'number' || source === undefined) return value
  if (!Number.isFinite(value) || digitsOf(source) !== digitsOf(String(value))) throw new LossError()
  return value
}

/** Sign, digits and exponent in one spelling: '1.50e3' and '1500' are '15e2'. */
function digitsOf(number: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(number) ?? []
  const digits = (whole + fraction).replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  if (significant === '') return '0'
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}

function invalid(message: string, hint: string, line?: number): KeywrightError {
  return new KeywrightError('ERR_INPUT_INVALID', message, {
    hint,
    ...(line === undefined ? {} : { details: { line } }),
  })
}

/** Objects as lines. */
export function formatJsonLines(records: readonly object[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('')
}
