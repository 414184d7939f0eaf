/** `keys create | rotate | suspend | resume`. */
import type { KeyManager, RotationReport } from '../../keys/manager.ts'
import type { KeyInfo } from '../../keys/views.ts'
import { type Call, wrongUse } from '../call.ts'
import { keyJson } from '../key-view.ts'
import { withKeywright } from '../opened.ts'
import { relative } from '../text.ts'
import { parseKeyId } from '../values.ts'

const nameOf = (key: KeyInfo): string => `${key.keyring} version ${key.version}, key ${key.id}`

export async function createKey(call: Call): Promise<undefined> {
  const [keyType = ''] = call.args
  const tenant = call.options.text('tenant')
  await withKeywright(call, async (keywright) => {
    const place = tenant === undefined ? {} : { tenant }
    const before = await keywright.keys.active(keyType, place)
    const key = before ?? (await keywright.keys.create(keyType, place))
    const created = before === undefined
    await call.output.result(
      { created, key: keyJson(key) },
      `${created ? 'created' : 'exists already'}: ${nameOf(key)}, ${key.state}\n`,
    )
  })
}

export async function rotateKeys(call: Call): Promise<undefined> {
  const { args, io, options, output } = call
  const [keyType] = args
  assertTarget(call, keyType)
  const reason = options.text('reason')
  const how = { now: options.flag('now'), ...(reason === undefined ? {} : { reason }) }
  const tenant = options.text('tenant')
  await withKeywright(call, async ({ keys }) => {
    const reports =
      keyType === undefined
        ? await keys.rotateDue(how)
        : [
            await keys.rotate(keyType, {
              ...how,
              force: options.flag('force'),
              ...(tenant === undefined ? {} : { tenant }),
            }),
          ]
    if (reports.length === 0) await output.note('nothing is due')
    const json = reports.map(({ key, ...rest }) => ({ ...rest, key: keyJson(key) }))
    const text = reports.map((report) => `${describeRotation(report, io.now())}\n`).join('')
    await output.result(keyType === undefined ? json : json[0], text)
    if (reports.some(({ rotated, why }) => !rotated && why === 'not due')) {
      await output.note('rotate all the same with --force')
    }
  })
}

function assertTarget({ options }: Call, keyType: string | undefined): void {
  if ((keyType === undefined) !== options.flag('due')) {
    throw wrongUse(
      'name either a key type or --due',
      'keywright keys rotate pii, or keywright keys rotate --due',
    )
  }
  if (keyType === undefined && (options.flag('force') || options.text('tenant') !== undefined)) {
    throw wrongUse('--force and --tenant need a key type', 'name it, or leave them out to rotate what is due')
  }
}

function describeRotation({ rotated, why, key }: RotationReport, now: number): string {
  if (!rotated && why === 'not due') {
    const next = key.rotatesAt === undefined ? '' : `; due ${relative(key.rotatesAt, now)}`
    return `not rotated: ${nameOf(key)} is not due${next}`
  }
  const when = key.activatesAt > now ? `encrypts ${relative(key.activatesAt, now)}` : 'encrypts now'
  return `${rotated ? `rotated (${why})` : `not rotated (${why})`}: ${nameOf(key)} ${when}`
}

export function suspendKey(call: Call): Promise<undefined> {
  return change(call, 'suspended', (keys, id, reason) => keys.suspend(id, reason))
}

export function resumeKey(call: Call): Promise<undefined> {
  return change(call, 'resumed', (keys, id, reason) => keys.resume(id, reason))
}

async function change(
  call: Call,
  done: string,
  apply: (keys: KeyManager, id: number, reason: string) => Promise<KeyInfo>,
): Promise<undefined> {
  const id = parseKeyId(call.args[0])
  await withKeywright(call, async ({ keys }) => {
    const key = await apply(keys, id, call.options.text('reason') ?? '')
    await call.output.result(keyJson(key), `${done}: ${nameOf(key)} is ${key.state}\n`)
    if (done !== 'suspended') return
    const others = (await keys.list({ keyring: key.keyring, state: 'active' })).length
    if (others === 0) {
      await call.output.warn(
        `nothing encrypts under ${key.keyring} now`,
        `keywright keys resume ${id}, or keywright keys rotate ${key.keyType} --force --now`,
      )
    }
  })
}
