/** Examples of an audit log, before and after it was pruned. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkpointBytes } from '../../src/audit/checkpoint.ts'
import { fileAuditSink } from '../../src/audit/file-sink.ts'
import { Keywright } from '../../src/keywright.ts'
import openSqliteStore from '../../stores/sqlite.ts'
import { KEYS, type SetUp, START } from './set-up.ts'

const DAY_MS = 86_400_000

export async function auditExamples({ clock, folder, policy, provider, storePath }: SetUp) {
  const path = join(folder, 'audit.jsonl')
  const keywright = new Keywright({
    provider: { ...provider, close: async () => undefined }, // it is still in use
    store: await openSqliteStore({ path: storePath }),
    policy,
    audit: fileAuditSink({ path }),
    actor: 'example',
    clock,
  })
  const id = KEYS[0]?.id ?? 0
  await keywright.keys.suspend(id, 'under investigation')
  clock.move(DAY_MS)
  await keywright.keys.resume(id, 'a false alarm: "ünïcode" & co')
  const whole = readLog(path)
  clock.move(DAY_MS)
  await keywright.pruneAudit('older than a day', START + DAY_MS / 2)
  const pruned = readLog(path)
  await keywright.close()
  const [first = ''] = pruned.lines
  return [
    { example: 'audit-log', ...whole },
    { example: 'pruned-audit-log', ...pruned, macInput: checkpointBytes(JSON.parse(first)).toString() },
  ]
}

function readLog(path: string): { lines: string[]; head: string } {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  return { lines, head: readFileSync(`${path}.head`, 'utf8') }
}
