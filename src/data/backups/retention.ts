/**
 * Which backups are kept and which go, and their removal. Rules count per name. A backup goes only when a younger or kept
 * one of its name was read to its end and found good: the last good one never goes.
 */
import { readdir, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { KeywrightError } from '../../errors.ts'
import { orFail, systemCode, wrongArgument } from './failures.ts'
import { type ListedBackup, listBackups } from './folder.ts'
import { createdAt } from './manifest.ts'
import { removeTree } from './scratch.ts'

const DAY_MS = 86_400_000
const REMOVED = '.removed-'

export interface RetentionRules {
  /** Keep so many of each name, the newest. */
  readonly keep?: number | undefined
  /** Keep those that are younger than so many days. */
  readonly keepDays?: number | undefined
}

export interface PruneReport {
  /** Ids, the newest first; with `dryRun` those that would go. */
  readonly removed: readonly string[]
  readonly kept: readonly string[]
  /** Kept against the rules, because none that they keep is good. */
  readonly keptAsLastGood: readonly string[]
  /** Nothing was removed of these names: none of their backups is good. */
  readonly withoutGood: readonly string[]
  /** Not readable as backups: neither counted nor removed. */
  readonly unreadable: readonly string[]
}

/** Whether a backup opens and is whole. Rejects when that cannot be found out now. */
export type IsGood = (backup: ListedBackup) => Promise<boolean>

/** Throws ERR_ARGUMENT_INVALID when no rule keeps anything. */
function assertRules({ keep, keepDays }: RetentionRules): void {
  if (keep === undefined && keepDays === undefined) {
    throw wrongArgument('no rule says what is kept', 'say --keep 7, --keep-days 30, or both')
  }
  const isCount = keep === undefined || (Number.isSafeInteger(keep) && keep >= 1)
  const isAge = keepDays === undefined || (Number.isFinite(keepDays) && keepDays > 0)
  if (!isCount || !isAge)
    throw wrongArgument('a rule keeps nothing', '--keep is at least 1, --keep-days above 0')
}

/** What goes, as the rules and the state of the backups say. Removes nothing. */
export async function planPrune(
  folder: string,
  rules: RetentionRules & { readonly name?: string | undefined },
  now: number,
  isGood: IsGood,
): Promise<PruneReport> {
  assertRules(rules)
  const all = await listBackups(folder, rules.name === undefined ? {} : { name: rules.name })
  const plan = { removed: [], kept: [], keptAsLastGood: [], withoutGood: [], unreadable: [] } as {
    [K in keyof PruneReport]: string[]
  }
  const named = Map.groupBy(all, ({ manifest }) => manifest?.name)
  for (const [name, backups] of named) {
    if (name === undefined) plan.unreadable.push(...idsOf(backups))
    else await planName(name, backups, rules, now, isGood, plan)
  }
  return plan
}

async function planName(
  name: string,
  backups: readonly ListedBackup[],
  { keep = 0, keepDays = 0 }: RetentionRules,
  now: number,
  isGood: IsGood,
  plan: { [K in keyof PruneReport]: string[] },
): Promise<void> {
  const isKept = ({ manifest }: ListedBackup, at: number): boolean =>
    at < keep || (manifest !== undefined && createdAt(manifest) > now - keepDays * DAY_MS)
  const kept = backups.filter(isKept)
  const going = backups.filter((one) => !kept.includes(one))
  plan.kept.push(...idsOf(kept))
  if (going.length === 0) return
  const good = (await firstGood(kept, isGood)) ?? (await firstGood(going, isGood))
  if (good === undefined) {
    plan.withoutGood.push(name)
    plan.kept.push(...idsOf(going))
    return
  }
  if (going.includes(good)) plan.keptAsLastGood.push(good.id)
  plan.removed.push(...idsOf(going.filter((one) => one !== good)))
}

async function firstGood(
  backups: readonly ListedBackup[],
  isGood: IsGood,
): Promise<ListedBackup | undefined> {
  for (const backup of backups) if (backup.problem === undefined && (await isGood(backup))) return backup
  return undefined
}

const idsOf = (backups: readonly ListedBackup[]): string[] => backups.map(({ id }) => id)

/** Whether `backup` is the only good one of its name. */
export async function isLastGood(folder: string, backup: ListedBackup, isGood: IsGood): Promise<boolean> {
  const name = backup.manifest?.name
  if (name === undefined || backup.problem !== undefined) return false
  const others = (await listBackups(folder, { name })).filter(({ id }) => id !== backup.id)
  if ((await firstGood(others, isGood)) !== undefined) return false
  return isGood(backup)
}

/** Removes the folder of a backup: by one rename, then for good. One that is gone is no failure. */
export async function removeBackup(path: string): Promise<void> {
  const folder = dirname(path)
  const aside = join(folder, `${REMOVED}${path.slice(folder.length + 1)}`)
  try {
    await rename(path, aside)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    if (systemCode(error) !== 'ENOTEMPTY') await orFail('remove the backup', Promise.reject(error))
    await removeTree(path)
  }
  await removeTree(aside)
}

/** Removes what an earlier run had begun to remove. */
export async function removeLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  for (const name of names.filter((one) => one.startsWith(REMOVED)))
    await removeTree(join(folder, name)).catch(() => undefined)
}

/** Tells what is wrong for good from what may pass: a provider that is down says nothing about a backup. */
export function isVerdict(error: unknown): boolean {
  return error instanceof KeywrightError && !error.retryable && error.code !== 'ERR_ABORTED'
}
