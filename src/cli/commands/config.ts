/** `config`: the value of each setting and where it came from. */
import { readFile } from 'node:fs/promises'
import { BACKENDS, type Configuration, DEFAULT_CONFIG_PATH, type PlannedProvider } from '../../compose.ts'
import { describeSecret, describeSetting, from, prefer, type Sourced } from '../../config/configuration.ts'
import { type Environment, variable } from '../../config/environment.ts'
import type { EffectiveSetting } from '../../config/setting.ts'
import { shownStoreUrl } from '../../config/store-url.ts'
import type { Call } from '../call.ts'
import { configuration } from '../opened.ts'
import { selectedBackend } from '../selected.ts'
import type { Cell } from '../text.ts'

type Row = EffectiveSetting & { readonly variable?: string }

/** Prints what is known even when the whole is not in order; then says what is wrong. */
export async function config(call: Call): Promise<undefined> {
  const { output } = call
  let decided: Configuration | undefined
  let failure: unknown
  try {
    decided = await configuration(call)
  } catch (error) {
    failure = error
  }
  const rows = await rowsOf(call, decided)
  const columns = [{ title: 'setting' }, { title: 'value' }, { title: 'source' }, { title: 'from' }]
  await output.result(rows, output.table(columns, rows.map(toCells)))
  if (failure !== undefined) throw failure
}

function toCells({ name, value, source, from: origin, variable: name_ }: Row): (string | Cell)[] {
  if (value === undefined)
    return [name, { text: '(not set)', style: 'dim' }, '', { text: name_ ?? '', style: 'dim' }]
  return [name, value, source ?? '', origin ?? '']
}

async function rowsOf(call: Call, decided: Configuration | undefined): Promise<Row[]> {
  const { env } = call.io
  const stated = await readStated(call)
  const selected = decided === undefined ? undefined : selectedBackend(call, decided)
  return [
    row(
      'backend',
      'ENCRYPTION_KEY_STORAGE_BACKEND',
      selected?.name ?? pick(call, 'backend', 'ENCRYPTION_KEY_STORAGE_BACKEND'),
    ),
    row('policy document', 'ENCRYPTION_CONFIG', stated.path),
    row('profile', 'ENCRYPTION_PROFILE', profileOf(call, decided)),
    row(
      'key store',
      'ENCRYPTION_KEY_STORE_URL',
      withoutPassword(decided?.storeUrl ?? pick(call, 'store', 'ENCRYPTION_KEY_STORE_URL')),
    ),
    row('audit log', 'ENCRYPTION_AUDIT_PATH', shownAudit(call, decided)),
    secretRow('root key', 'ENCRYPTION_MASTER_KEY', env),
    secretRow('root password', 'ENCRYPTION_MASTER_PASSWORD', env),
    row('root key file', 'ENCRYPTION_MASTER_KEY_FILE', pick(call, undefined, 'ENCRYPTION_MASTER_KEY_FILE')),
    row(
      'automatic rotation',
      'ENCRYPTION_AUTO_ROTATION',
      policySetting(call, 'ENCRYPTION_AUTO_ROTATION', stated, ['defaults', 'rotation', 'auto'], 'true'),
    ),
    row(
      'rotation interval',
      'ENCRYPTION_ROTATION_INTERVAL_DAYS',
      policySetting(
        call,
        'ENCRYPTION_ROTATION_INTERVAL_DAYS',
        stated,
        ['defaults', 'rotation', 'age'],
        'by key type',
      ),
    ),
    row(
      'performance mode',
      'ENCRYPTION_PERFORMANCE_MODE',
      policySetting(
        call,
        'ENCRYPTION_PERFORMANCE_MODE',
        stated,
        ['performanceMode'],
        decided?.policy.performanceMode ?? 'balanced',
      ),
    ),
    ...(selected === undefined ? [] : backendRows(selected.provider)),
  ]
}

function row(name: string, variableName: string, sourced: Sourced<unknown> | undefined): Row {
  const { from: origin = sourced?.source === 'environment' ? variableName : undefined, ...rest } =
    describeSetting(name, sourced)
  return { ...rest, ...(origin === undefined ? {} : { from: origin }), variable: variableName }
}

function secretRow(name: string, variableName: string, environment: Environment): Row {
  return { ...describeSecret(variableName, environment), name, variable: variableName }
}

/** An option of the command line, else a variable. */
function pick(call: Call, option: string | undefined, name: string): Sourced<string> | undefined {
  const given = option === undefined ? undefined : call.global.text(option)
  return prefer(from('option', given, `--${option}`), from('environment', variable(call.io.env, name), name))
}

/** A URL may hold credentials. */
/** The profile that was really taken; NODE_ENV may name one that the document does not have. */
function profileOf({ io }: Call, decided: Configuration | undefined): Sourced<string> | undefined {
  const profile = decided?.policy.profile
  if (profile === undefined) return undefined
  const named = variable(io.env, 'ENCRYPTION_PROFILE') === undefined ? 'NODE_ENV' : 'ENCRYPTION_PROFILE'
  return from('environment', profile, named)
}

function withoutPassword(url: Sourced<string> | undefined): Sourced<string> | undefined {
  if (url === undefined) return undefined
  return { ...url, value: shownStoreUrl(url.value) }
}

function shownAudit(call: Call, decided: Configuration | undefined): Sourced<unknown> | undefined {
  const audit = decided?.audit ?? pick(call, 'audit', 'ENCRYPTION_AUDIT_PATH')
  return audit?.value === false ? { ...audit, value: 'off' } : audit
}

interface Stated {
  readonly path: Sourced<string>
  /** The document as it stands, unchecked; undefined when there is none that can be read. */
  readonly document: unknown
}

async function readStated(call: Call): Promise<Stated> {
  const path = pick(call, 'config', 'ENCRYPTION_CONFIG') ?? {
    value: DEFAULT_CONFIG_PATH,
    source: 'default' as const,
  }
  try {
    return { path, document: JSON.parse(await readFile(path.value, 'utf8')) }
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT' && path.source === 'default'
    return {
      path: missing ? { ...path, value: `none (${path.value} is not there)` } : path,
      document: undefined,
    }
  }
}

function policySetting(
  call: Call,
  name: string,
  { document, path }: Stated,
  members: readonly string[],
  fallback: string,
): Sourced<unknown> {
  const stated = members.reduce<unknown>(
    (value, member) => (value as Record<string, unknown> | undefined)?.[member],
    document,
  )
  return (
    pick(call, undefined, name) ??
    from('policy document', stated, `${path.value}: ${members.join('.')}`) ?? {
      value: fallback,
      source: 'default',
    }
  )
}

function backendRows(provider: PlannedProvider): Row[] {
  const { variables } = BACKENDS[provider.backend.name] ?? { variables: [] }
  return variables.map(({ option, variables: names, secret = false }) => {
    const sourced = provider.sources[option]
    const shown = describeSetting(`${provider.name}: ${option}`, sourced, secret)
    const flag = sourced?.source === 'option' ? { from: '--key-path' } : {}
    return { ...shown, ...flag, ...(names[0] === undefined ? {} : { variable: names[0] }) }
  })
}
