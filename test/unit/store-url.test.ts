import { expect, it } from 'vitest'
import { shownStoreUrl } from '../../src/config/store-url.ts'

it.each([
  ['sqlite:./data/keys.db', 'sqlite:./data/keys.db'],
  ['memory:', 'memory:'],
  ['postgres://db.example.org/app', 'postgres://db.example.org/app'],
  [
    'postgres://app:hunter2@db:5432/app?sslmode=require&password=hunter2',
    'postgres://(set, not shown)@db:5432/app',
  ],
  ['redis://:hunter2@cache:6379/0', 'redis://(set, not shown)@cache:6379/0'],
  ['postgres://app:hun/ter2@db/app', 'postgres://(set, not shown)'],
  ['postgres://app:1/hunter2@db/app', 'postgres://(set, not shown)'],
  ['postgres://app:hun@ter2@db/app', 'postgres://(set, not shown)'],
  ['postgres://app:1#hunter2@db/app', 'postgres://(set, not shown)'],
  ['redis://hunter2 with spaces', 'redis://(set, not shown)'],
  ['app:hunter2@db', 'app://(set, not shown)'],
])('shows nothing secret of %s', (url, shown) => {
  expect(shownStoreUrl(url)).toBe(shown)
  expect(shownStoreUrl(url)).not.toContain('hunter2')
})
