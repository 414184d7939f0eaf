import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { KeywrightError } from '../../src/errors.ts'
import { loadPolicyText, policyJsonSchema } from '../../src/policy/document.ts'

function refusal(run: () => unknown): KeywrightError {
  try {
    run()
  } catch (error) {
    if (error instanceof KeywrightError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('text', () => {
  const load = (text: string) => loadPolicyText(text, 'config/encryption.json')

  it.each([
    '{}',
    '\uFEFF{}',
    ' \r\n{ "version" : 1 }\n',
    '{"keyTypes":{"pii":{"description":"\\u00e9 \\" \\n"}}}',
  ])('reads %j', (text) => expect(load(text).keyTypes['pii']).toBeDefined())

  it.each([
    ['', 'is empty'],
    [' \n\t', 'is empty'],
    ['\uFEFF', 'is empty'],
    ['{', 'line 1, column 2: the text ends too soon'],
    ['{\n  "a": s3cr3t\n}', 'line 2, column 8: expected a value'],
    ['{\r\n"a":1,\r\n}', 'line 3, column 1: expected a member name in double quotes'],
    ["{'s3cr3t':1}", 'line 1, column 2: expected a member name in double quotes'],
    ['{"a":"s3cr3t\n"}', 'line 1, column 13: a control character, or a string without its end'],
    ['{"a":"s3cr3t', 'line 1, column 13: the text ends too soon'],
    ['{"a":"\\xs3cr3t"}', 'line 1, column 7: an escape that JSON does not have'],
    ['{"a" s3cr3t}', 'line 1, column 6: expected ":"'],
    ['{"a":1 s3cr3t}', 'line 1, column 8: expected "," or "}"'],
    ['{"a":[1 s3cr3t]}', 'line 1, column 9: expected "," or "]"'],
    ['{} s3cr3t', 'line 1, column 4: text after the end of the document'],
    ['{"a":01}', 'line 1, column 7: expected "," or "}"'],
    ['{"a":1,\n"a":2}', 'line 2, column 1: the member "a" is there twice'],
    ['{"provider":"x","\\u0070rovider":"y"}', 'the member "provider" is there twice'],
    [`${'['.repeat(100_000)}`, 'nested too deeply'],
    [`"${'x'.repeat(5_000_000)}"`, 'is too long'],
    ['// s3cr3t\n{}', 'line 1, column 1: expected a value'],
  ])('refuses %.40j', (text, message) => {
    const error = refusal(() => load(text))
    expect(error.code).toBe('ERR_POLICY_INVALID')
    expect(error.message).toContain('config/encryption.json')
    expect(error.message).toContain(message)
    expect(error.hint).toBeTruthy()
    expect(JSON.stringify(error) + String(error.stack)).not.toContain('s3cr3t')
    expect(error.cause).toBeUndefined()
  })

  it('names the file for problems of the document as well', () => {
    expect(refusal(() => load('[]')).message).toBe(
      'config/encryption.json has 1 problem:\n  expected a JSON object',
    )
  })
})

describe('the JSON schema', () => {
  const schema = policyJsonSchema()

  it('is the one that is published; otherwise run: node scripts/write-schema.ts', () => {
    const file = new URL('../../schema/encryption.schema.json', import.meta.url)
    expect(readFileSync(file, 'utf8')).toBe(`${JSON.stringify(schema, null, 2)}\n`)
  })

  it('describes every member', () => {
    const without: string[] = []
    const walk = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return
      for (const [name, member] of Object.entries((node as { properties?: object }).properties ?? {})) {
        if (typeof (member as { description?: string }).description !== 'string')
          without.push(`${path}.${name}`)
        walk(member, `${path}.${name}`)
      }
      walk((node as { additionalProperties?: unknown }).additionalProperties, `${path}.*`)
      walk((node as { items?: unknown }).items, `${path}.0`)
    }
    walk(schema, '')
    expect(without).toEqual([])
    expect(schema).toMatchObject({
      $id: expect.any(String),
      title: expect.any(String),
      additionalProperties: false,
    })
  })
})

describe('the schema library', () => {
  /** All files that a file loads, directly or not; type imports leave nothing behind. */
  const loads = (file: URL, seen = new Set<string>()): Set<string> => {
    if (seen.has(file.href)) return seen
    seen.add(file.href)
    for (const [, clause, target = ''] of readFileSync(file, 'utf8').matchAll(
      /^(?:import|export) ([^'=]*)from '([^']+)'/gm,
    )) {
      if (clause?.startsWith('type ')) continue
      if (target.startsWith('.')) loads(new URL(target, file), seen)
      else seen.add(target)
    }
    return seen
  }
  const from = (name: string) => loads(new URL(`../../src/policy/${name}.ts`, import.meta.url))

  it.each(['resolve', 'evaluate', 'explain', 'plan', 'overrides'])('is not loaded by %s', (name) => {
    expect(from(name)).not.toContain('zod')
  })

  it('is loaded where documents are read', () => expect(from('document')).toContain('zod'))
})
