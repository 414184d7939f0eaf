import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { completeLock, missingFromLock } from '../../scripts/lock-file.ts'
import { ROOT } from './pack.ts'

const json = (name: string) => JSON.parse(readFileSync(join(ROOT, name), 'utf8'))

describe('package-lock.json', () => {
  const { packages } = json('package-lock.json')

  it('holds every optional package, without which npm ci refuses it (npm run lock)', () => {
    expect(missingFromLock(packages)).toEqual([])
  })

  it('is in step with package.json', () => {
    const { name, version, dependencies, devDependencies, peerDependencies, bin, engines } =
      json('package.json')
    const wanted = { name, version, dependencies, devDependencies, peerDependencies, bin, engines }
    expect(packages['']).toMatchObject(JSON.parse(JSON.stringify(wanted)))
  })
})

describe('missingFromLock', () => {
  const tool = { optionalDependencies: { 'tool-linux-x64': '1.0.0' }, dev: true }

  it('finds what a tool asks for and the lock file lacks', () => {
    expect(missingFromLock({ 'node_modules/tool': tool })).toEqual([
      { name: 'tool-linux-x64', version: '1.0.0', dev: true },
    ])
  })

  it.each(['node_modules/tool-linux-x64', 'node_modules/a/node_modules/tool-linux-x64'])(
    'accepts it in %s',
    (path) => {
      expect(missingFromLock({ 'node_modules/a/node_modules/tool': tool, [path]: {} })).toEqual([])
    },
  )

  it('does not take the copy of another package for it', () => {
    expect(
      missingFromLock({ 'node_modules/tool': tool, 'node_modules/b/node_modules/tool-linux-x64': {} }),
    ).toHaveLength(1)
  })
})

describe('completeLock', () => {
  const asking = (name: string, version = '1.2.3') => ({
    packages: { 'node_modules/z': { dev: true, optionalDependencies: { [name]: version } } },
  })

  it.each([
    ['@z/cli-linux-x64-musl', { cpu: ['x64'], os: ['linux'], libc: ['musl'] }],
    ['@z/binding-linux-arm-gnueabihf', { cpu: ['arm'], os: ['linux'], libc: ['glibc'] }],
    ['@z/cli-darwin-arm64', { cpu: ['arm64'], os: ['darwin'] }],
    ['@z/binding-win32-ia32-msvc', { cpu: ['ia32'], os: ['win32'] }],
  ])('adds %s for its platform only', (name, platform) => {
    const { added, completed } = completeLock(asking(name))
    expect(added).toBe(1)
    expect(Object.keys(completed.packages)).toEqual([`node_modules/${name}`, 'node_modules/z'])
    const entry = { version: '1.2.3', dev: true, optional: true, ...platform }
    expect(completed.packages[`node_modules/${name}`]).toEqual(entry)
    expect(completeLock(completed)).toEqual({ added: 0, completed })
  })

  it.each([
    ['z-helper', '1.2.3'],
    ['z-linux-x64', '^1.2.3'],
  ])('refuses to guess about %s at %s', (name, version) => {
    expect(() => completeLock(asking(name, version))).toThrow(name)
  })
})
