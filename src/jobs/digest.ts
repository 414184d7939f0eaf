/** The digest by which the audit log names a report. */
import { createHash } from 'node:crypto'

/**
 * Hex SHA-256 over the JSON of `value` with sorted members and no white space. By hand, over a report as it was
 * printed: jq -cSj 'del(.digest)' report.json | sha256sum
 */
export function digestOf(value: object): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(value)))
    .digest('hex')
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const names = Object.keys(value).sort()
  return Object.fromEntries(names.map((name) => [name, sorted((value as Record<string, unknown>)[name])]))
}
