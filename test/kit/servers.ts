/** Servers for tests: there or, outside CI, a reason to skip. */
import type { Emulator, EmulatorOptions, LocalServer } from '../../src/testing/emulator.ts'

/** A server that can be started, or why the tests that need it are skipped. */
export type ServerResult =
  | { readonly skip: string; readonly start?: undefined }
  | { readonly skip?: undefined; start(options?: EmulatorOptions): Promise<Emulator> }

/**
 * Makes a server's program available, for use at the top of a test file:
 *
 *     const vault = await serverFor(openbao)
 *     describe.skipIf(vault.skip)('…', () => { beforeAll(async () => { emulator = await vault.start() }) })
 *
 * In CI a missing server is a failure; elsewhere the reason and the remedy are what the skip says.
 */
export async function serverFor(server: LocalServer): Promise<ServerResult> {
  const missing = await server.install()
  if (missing === undefined) return { start: (options = {}) => server.start(options) }
  const why = `${server.server}: ${missing.reason}; to have it: ${missing.remedy}`
  if (process.env['CI']) throw new Error(`a server is missing in CI: ${why}`)
  process.stderr.write(`skipped: ${why}\n`)
  return { skip: why }
}
