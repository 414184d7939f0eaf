/** `node verify.mjs`: every rival gives back what it was given, and refuses what was changed. */
import { rivals } from './rivals.mjs'

const TEXT = 'ß€🎉'.repeat(11).padEnd(100, 'x')

/** One bit of the middle, of the bytes behind the text where it is base64. */
function changed(sealed) {
  const middle = Math.floor(sealed.length / 2)
  if (typeof sealed === 'string') {
    const other = sealed[middle] === 'A' ? 'B' : 'A'
    return `${sealed.slice(0, middle)}${other}${sealed.slice(middle + 1)}`
  }
  const copy = Buffer.from(sealed)
  copy[middle] ^= 1
  return copy
}

async function refuses(run) {
  try {
    await run()
    return false
  } catch {
    return true
  }
}

for (const rival of rivals) {
  const bench = await rival.setup()
  const answers = [bench.encrypt(TEXT), bench.encrypt(TEXT)]
  const [first, second] = await Promise.all(answers)
  const checks = {
    'gives the text back': (await bench.decrypt(first)) === TEXT && (await bench.decrypt(second)) === TEXT,
    'makes a new nonce': Buffer.compare(Buffer.from(first), Buffer.from(second)) !== 0,
    'refuses a changed one': await refuses(() => bench.decrypt(changed(first))),
    'says truly whether it is synchronous': bench.sync === !(answers[0] instanceof Promise),
  }
  const faults = Object.keys(checks).filter((name) => !checks[name])
  process.stdout.write(`${rival.name} ${rival.version}: ${first.length} long; ${faults.join(', ') || 'ok'}\n`)
  if (faults.length > 0) process.exitCode = 1
}
