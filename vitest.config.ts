import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Real servers and killed processes on a loaded machine; the summary names what needed its second attempt.
    retry: process.env['CI'] ? 1 : 0,
    coverage: { enabled: false },
    reporters: ['default', './scripts/summary-reporter.mjs'],
  },
})
