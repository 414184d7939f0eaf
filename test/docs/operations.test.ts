/** docs/operations.md has a row for every error code and names none that does not exist. */
import { describe, expect, it } from 'vitest'
import { ERROR_CODES, type ErrorCode } from '../../src/index.ts'
import { documentText } from './examples.ts'

const text = documentText('operations.md')
const rows = [...text.matchAll(/^\| `(ERR_[A-Z_]+)` \| ([^|]+) \| ([^|]+) \|$/gm)].map(
  ([, code = '', means = '', advice = '']) => ({ code, means, advice }),
)
const codes = Object.keys(ERROR_CODES) as ErrorCode[]

describe('docs/operations.md', () => {
  it('has one row for every error code', () => {
    expect(rows.map(({ code }) => code).sort()).toEqual([...codes].sort())
  })

  it.each(['operations.md', 'threat-model.md', 'format.md'])(
    '%s names no code that does not exist',
    (name) => {
      const named = documentText(name).matchAll(/ERR_[A-Z_]+/g)
      expect([...named].map(([code]) => code).filter((code) => !Object.hasOwn(ERROR_CODES, code))).toEqual([])
    },
  )

  it('says of exactly the retryable ones that they are', () => {
    const stated = rows.filter(({ means }) => means.includes('Retryable')).map(({ code }) => code)
    expect(stated.sort()).toEqual(codes.filter((code) => ERROR_CODES[code].retryable).sort())
  })

  it('links to headings that exist', () => {
    const slug = (heading: string): string =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} -]/gu, '')
        .replace(/ /g, '-')
    for (const name of ['operations.md', 'threat-model.md', 'format.md']) {
      for (const [, file = '', anchor = ''] of documentText(name).matchAll(
        /\]\(([a-z-]*(?:\.md)?)#([^)]+)\)/g,
      )) {
        const target = documentText(file === '' ? name : file)
        const headings = [...target.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => slug(heading))
        expect(headings, `${name} links to #${anchor}`).toContain(anchor)
      }
    }
  })
})
