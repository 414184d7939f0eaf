/**
 * Makes the servers that the tests talk to available: what can be installed is, once, into ~/.cache/keywright or from
 * Debian's packages. In CI each must be there; elsewhere a missing one is told here once, and its tests are skipped.
 */
import { LOCAL_SERVERS } from '../src/testing/servers.ts'

const rows = Object.values(LOCAL_SERVERS).flat()
let missing = 0
for (const { load } of rows) {
  const server = await load()
  const started = performance.now()
  const lacks = await server.install()
  const seconds = (performance.now() - started) / 1000
  if (lacks === undefined) {
    const took = seconds > 1 ? ` (${seconds.toFixed(0)} s)` : ''
    process.stdout.write(`there     ${server.server}${took}\n`)
  } else {
    missing++
    process.stdout.write(
      `missing   ${server.server}: ${lacks.reason}\n          to have it: ${lacks.remedy}\n`,
    )
  }
}
if (missing > 0 && process.env['CI']) process.exitCode = 1
