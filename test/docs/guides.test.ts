/** The guides: one for each backend and store, and nothing in any document that does not exist. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../../providers/index.ts'
import { VARIABLES } from '../../src/config/environment.ts'
import { ERROR_CODES } from '../../src/errors.ts'
import { parsePolicyDocument } from '../../src/policy/document.ts'
import { STORES } from '../../stores/index.ts'
import { allSpecs, globalOptions, problemOf, writtenCalls } from './commands.ts'
import { anchorsOf, blocksOf, DOCUMENTS, proseOf, ROOT, textOf, variablesIn } from './markdown.ts'

const GUIDES = Object.values(BACKENDS)
const known = new Set([
  ...Object.keys(VARIABLES),
  ...GUIDES.flatMap(({ variables }) =>
    variables.flatMap((row) => [...row.variables, ...(row.standard ?? [])]),
  ),
])

describe.each(GUIDES)('the guide of $name', ({ environmentName, name, variables }) => {
  const path = `docs/providers/${name}.md`

  it('is there, and the index names it', () => {
    expect(existsSync(join(ROOT, path))).toBe(true)
    expect(textOf('docs/providers/README.md')).toContain(`](${name}.md)`)
    expect(textOf(path)).toContain(`\`${environmentName}\``)
  })

  it('mentions every variable and every option', () => {
    const text = textOf(path)
    const mentioned = variablesIn(text)
    const names = variables.flatMap((row) => [...row.variables, ...(row.standard ?? [])])
    expect(names.filter((one) => !mentioned.has(one))).toEqual([])
    expect(variables.map(({ option }) => option).filter((one) => !text.includes(`\`${one}\``))).toEqual([])
  })
})

it('has a guide for every store that keeps anything', () => {
  const index = textOf('docs/stores/README.md')
  for (const scheme of Object.keys(STORES)) expect(index).toContain(`\`${scheme}:`)
  for (const name of ['sqlite', 'redis', 'postgres']) {
    expect(existsSync(join(ROOT, `docs/stores/${name}.md`))).toBe(true)
    expect(index).toContain(`](${name}.md)`)
  }
})

describe.each(DOCUMENTS)('%s', (document) => {
  it('names no ENCRYPTION_ variable that does not exist', () => {
    const named = [...textOf(document).matchAll(/\bENCRYPTION_[A-Z0-9_]*[A-Z0-9]\b/g)].map(([name]) => name)
    expect(named.filter((name) => !known.has(name))).toEqual([])
  })

  it('has links that lead somewhere', () => {
    const links = [...proseOf(document).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link)
    for (const link of links.filter((one) => !/^[a-z]+:/.test(one))) {
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? document : join(dirname(document), path)
      expect(existsSync(join(ROOT, target)), `${document} links to ${link}`).toBe(true)
      if (anchor !== undefined)
        expect([...anchorsOf(target)], `${document} links to ${link}`).toContain(anchor)
    }
  })

  it('names no error code that does not exist', () => {
    const named = [...textOf(document).matchAll(/\bERR_[A-Z_]*[A-Z]\b(?!_)/g)].map(([code]) => code)
    expect(named.filter((code) => !Object.hasOwn(ERROR_CODES, code))).toEqual([])
  })

  it('names scripts of npm that there are', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object }
    const named = [...textOf(document).matchAll(/npm run ([a-z]+)/g)].map(([, name = '']) => name)
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([])
  })
})

describe('command lines', async () => {
  const [specs, globals] = [await allSpecs(), await globalOptions()]

  it('are found', () => {
    expect(globals.map(({ flags }) => flags)).toContain('--backend <name>')
    expect(DOCUMENTS.flatMap(writtenCalls).length).toBeGreaterThan(100)
  })

  it.each([
    ['key list', 'there is no command "key"'],
    ['keys rotat pii', 'there is no command "rotat"'],
    ['keys rotate pii --froce', '"rotate" has no option --froce'],
    ['keys rotate pii acme', '"rotate" does not take pii acme'],
    ['keys destroy', '"destroy" needs <id>'],
    ['move --from', '--from needs a value'],
    ['move --step finish', '--step is never finish'],
    ['--json keys list --key-type pii', undefined],
    ['keys list --json --store sqlite:./keys.db', undefined],
  ])('the check of "%s" says %s', (line, problem) => {
    expect(problemOf({ line, words: line.split(' '), isWhole: true }, specs, globals)).toBe(problem)
  })

  it.each(DOCUMENTS)('of %s exist', (document) => {
    const wrong = writtenCalls(document).flatMap((call) => {
      const problem = problemOf(call, specs, globals)
      return problem === undefined ? [] : [`${call.line}: ${problem}`]
    })
    expect(wrong).toEqual([])
  })
})

/** Blocks of JSON that are policy documents: all but AWS's own policies and the examples of the format. */
const policies = DOCUMENTS.filter((document) => document !== 'docs/format.md').flatMap((document) =>
  blocksOf(document).filter(({ language, text }) => language === 'json' && !text.includes('"Statement"')),
)

describe.each(policies)('the policy document at $document:$line', ({ text }) => {
  const document = JSON.parse(text) as { profiles?: object; providers?: object }
  const profiles = [undefined, ...Object.keys(document.profiles ?? {})]

  it.each(profiles)('is right in the profile %s', (profile) => {
    const choice = profile === undefined ? undefined : { name: profile, expected: false }
    // An excerpt may name providers that stand elsewhere.
    const elsewhere = document.providers === undefined ? ['file', 'vault', 'aws-eu'] : []
    const policy = parsePolicyDocument(document, { profile: choice, knownProviders: elsewhere })
    const { keyTypes, providers } = policy
    if (document.providers !== undefined)
      for (const { provider } of Object.values(keyTypes)) expect(Object.keys(providers)).toContain(provider)
    for (const { options, type } of Object.values(providers)) {
      const backend = GUIDES.find(({ name }) => name === type)
      expect(backend, type).toBeDefined()
      const taken = backend?.variables.map(({ option }) => option) ?? []
      expect(Object.keys(options).filter((option) => !taken.includes(option))).toEqual([])
    }
  })
})
