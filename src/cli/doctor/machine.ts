/** What the machine brings: runtime, AES, clock. */
import { createCipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { arch, platform } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Io } from '../io.ts'
import { type Finding, failed, ok, warning } from './finding.ts'

const MEASURED_MS = 40
const CHUNK_BYTES = 256 * 1024
/** Below it AES is computed in software: hardware does ten times that and more. */
const SLOW_BYTES_PER_SECOND = 400e6
const CLOCK_TEST_MS = 50
const MAX_DRIFT_MS = 40

export async function checkMachine(io: Io): Promise<Finding[]> {
  const { node, openssl } = io.versions
  return [
    ok('Node', `${node}, OpenSSL ${openssl}, ${platform()} ${arch()}`),
    await checkAes(),
    await checkClock(io),
  ]
}

async function checkAes(): Promise<Finding> {
  const flag = await hasAesInstructions()
  const rate = measureAes()
  const speed = `AES-256-GCM at ${(rate / 1e9).toFixed(1)} GB/s on one core`
  if (flag === false || rate < SLOW_BYTES_PER_SECOND) {
    const why =
      flag === false ? 'the processor has no AES instructions' : 'slow: AES instructions seem not to be used'
    return warning(
      'AES',
      `${why}, ${speed}`,
      'software AES is slow and may leak through timing: use another machine type',
    )
  }
  return ok('AES', flag === true ? `the processor has AES instructions, ${speed}` : speed)
}

/** Undefined where the system does not say. */
async function hasAesInstructions(): Promise<boolean | undefined> {
  try {
    const features = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(await readFile('/proc/cpuinfo', 'utf8'))?.[1]
    return features?.split(/\s+/).includes('aes')
  } catch {
    return undefined
  }
}

/** Bytes per second. */
function measureAes(): number {
  const key = createSecretKey(randomBytes(32))
  const chunk = Buffer.alloc(CHUNK_BYTES)
  const seal = (): void => {
    const cipher = createCipheriv('aes-256-gcm', key, randomBytes(12), { authTagLength: 16 })
    cipher.update(chunk)
    cipher.final()
  }
  seal() // the first call loads code
  const started = performance.now()
  let chunks = 0
  while (performance.now() - started < MEASURED_MS) {
    seal()
    chunks++
  }
  return (chunks * CHUNK_BYTES * 1000) / (performance.now() - started)
}

async function checkClock({ now }: Io): Promise<Finding> {
  const [wall, steady] = [now(), performance.now()]
  await sleep(CLOCK_TEST_MS)
  const drift = Math.abs(now() - wall - (performance.now() - steady))
  const time = new Date(wall).toISOString()
  const year = new Date(wall).getUTCFullYear()
  const hint = 'ages and due dates follow the clock: set it, and keep it with NTP'
  if (year < 2025 || year > 2100) return failed('clock', `it says ${time}, which cannot be`, hint)
  if (drift > MAX_DRIFT_MS)
    return warning('clock', `it jumped by ${Math.round(drift)} ms while it was watched`, hint)
  return ok('clock', time)
}
