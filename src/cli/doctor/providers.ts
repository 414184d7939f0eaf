/** Each configured provider, with a real wrap and unwrap: what works, how fast, and which permission is missing. */
import { type Configuration, openProvider, type PlannedProvider, privilegesOf } from '../../compose.ts'
import { ProviderCalls } from '../../keys/provider-calls.ts'
import type { MasterKeyDescription, PrivilegePolicy, ServerFacts } from '../../provider.ts'
import type { Call } from '../call.ts'
import { instant, span } from '../text.ts'
import { checkFileMode } from './files.ts'
import { type Finding, failed, findingOf, ok, warning } from './finding.ts'
import { Probe } from './provider-probe.ts'

/** More, and signatures and tokens of the clouds begin to fail (AWS: 5 minutes). */
const MAX_SKEW_MS = 30_000

/** The smallest policy for one provider of the configuration. */
export interface ProviderPrivileges extends PrivilegePolicy {
  readonly provider: string
}

/** A provider after the first question to it. */
interface Opened {
  readonly planned: PlannedProvider
  readonly calls?: ProviderCalls
  readonly probe?: Probe
  readonly master?: MasterKeyDescription
  /** It could not even be made. */
  readonly problem?: Finding
}

/**
 * Every provider of the configuration; one that fails does not keep the others from being looked at. All are asked at
 * once, so that several that hang cost one deadline; then one is tried after the other, so that the times are its own.
 */
export async function checkProviders(call: Call, decided: Configuration): Promise<Finding[]> {
  const all = await Promise.all(decided.providers.map((planned) => openOne(call, decided, planned)))
  const findings: Finding[] = []
  for (const opened of all) findings.push(...(await tryOut(call, opened)))
  return findings
}

/** The least privileges of each provider that has any; one that is misconfigured has none. */
export async function fixHints(decided: Configuration): Promise<ProviderPrivileges[]> {
  const found = await Promise.all(
    decided.providers.map(async (planned) => {
      const privileges = await privilegesOf(decided, planned).catch(() => undefined) // the check list tells why
      const policy = privileges?.policy
      return policy === undefined ? [] : [{ provider: planned.name, ...policy }]
    }),
  )
  return found.flat()
}

const titleOf = ({ name }: PlannedProvider): string => `provider ${name}`

async function openOne(call: Call, decided: Configuration, planned: PlannedProvider): Promise<Opened> {
  const { name } = planned
  const title = titleOf(planned)
  try {
    const { permissions } = await privilegesOf(decided, planned)
    const provider = await openProvider(decided, planned, false)
    const calls = new ProviderCalls({
      providers: [provider],
      now: call.io.now,
      resilience: { attempts: 1 },
    })
    const probe = new Probe({ title, name, calls, permissions })
    const master = await probe.describe()
    return { planned, calls, probe, ...(master === undefined ? {} : { master }) }
  } catch (error) {
    return { planned, problem: findingOf(title, error) }
  }
}

async function tryOut(call: Call, { calls, master, planned, probe, problem }: Opened): Promise<Finding[]> {
  if (probe === undefined) return problem === undefined ? [] : [problem]
  const title = titleOf(planned)
  try {
    const works = await probe.use()
    // Why it refuses and the state of its master key are one thing, and the refusal knows the command that helps.
    const refusal = probe.problems.find(({ code }) => code?.startsWith('ERR_MASTER_KEY_') === true)
    const known = master === undefined ? [] : describeMaster(title, master, call.io.now(), refusal)
    const isTold = refusal !== undefined && known.some(({ code }) => code === refusal.code)
    const problems = isTold ? probe.problems.filter((one) => one !== refusal) : probe.problems
    return [...works, ...known, ...(await checkKeyFile(planned, works, known)), ...problems]
  } finally {
    await calls?.close()
  }
}

async function checkKeyFile(
  { backend, options }: PlannedProvider,
  ...reached: readonly (readonly Finding[])[]
): Promise<Finding[]> {
  const { path } = options
  const isThere = reached.flat().some(({ state }) => state !== 'failed')
  if (backend.name !== 'file' || typeof path !== 'string' || !isThere) return []
  return [await checkFileMode('key file', path, false)]
}

const STATE_HINTS: Readonly<Record<MasterKeyDescription['state'], string>> = {
  enabled: '',
  disabled: 'enable it in the service: until then no data key under it opens',
  'pending-deletion':
    'cancel its deletion in the service while that can be done: all data keys under it go with it',
  unavailable: 'is ENCRYPTION_KEY_VERSION one that it has? else the service tells why it cannot be used',
}

function describeMaster(
  title: string,
  master: MasterKeyDescription,
  now: number,
  refusal: Finding | undefined,
): Finding[] {
  const { id, version, state, warnings = [], rotatesAt, server = {} } = master
  const next = rotatesAt === undefined ? '' : `; the service rotates it ${instant(rotatesAt, now)}`
  const found = `master key ${id} version ${version} is ${state}${next}`
  return [
    state === 'enabled'
      ? ok(title, found)
      : failed(title, found, refusal?.hint ?? STATE_HINTS[state], refusal?.code),
    ...describeServer(title, server, now),
    ...warnings.map((text) => warning(title, text)),
  ]
}

function describeServer(title: string, { version, tls, time }: ServerFacts, now: number): Finding[] {
  const skew = time === undefined ? undefined : Math.abs(now - time)
  const facts = [
    ...(version === undefined ? [] : [version]),
    ...(tls === undefined ? [] : [tls ? 'over TLS' : 'without TLS']),
    ...(skew === undefined || skew > MAX_SKEW_MS ? [] : ['clocks agree']),
  ]
  const findings = facts.length === 0 ? [] : [ok(title, facts.join(', '))]
  if (skew === undefined || skew <= MAX_SKEW_MS) return findings
  const which = (time ?? 0) > now ? 'behind' : 'ahead of'
  const what = `the clock of this machine is ${span(skew)} ${which} the service's`
  return [
    ...findings,
    warning(title, what, 'synchronise it (NTP): signatures and tokens fail when it is off'),
  ]
}
