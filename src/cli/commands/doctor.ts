/** `doctor`: looks at everything and goes on after what it finds. */
import type { Call } from '../call.ts'
import type { Finding } from '../doctor/finding.ts'
import { checkKeys } from '../doctor/keys.ts'
import { checkMachine } from '../doctor/machine.ts'
import { fixHints, type ProviderPrivileges } from '../doctor/providers.ts'
import { checkSettings } from '../doctor/settings.ts'
import { checkSources } from '../doctor/sources.ts'
import { count, paint, printable, type Style } from '../text.ts'

const STYLES: Readonly<Record<Finding['state'], Style>> = { ok: 'green', warning: 'yellow', failed: 'red' }

export async function doctor(call: Call): Promise<number> {
  const { output } = call
  const settings = await checkSettings(call)
  const { configuration } = settings
  const findings = [
    ...(await checkMachine(call.io)),
    ...settings.findings,
    ...(configuration === undefined ? [] : await checkKeys(call, configuration)),
    ...(configuration === undefined ? [] : await checkSources(configuration)),
  ]
  const wanted = call.options.flag('fixHints') && configuration !== undefined
  const privileges = wanted ? await fixHints(configuration) : []
  const failures = findings.filter(({ state }) => state === 'failed').length
  const warnings = findings.filter(({ state }) => state === 'warning').length
  const state = failures > 0 ? 'failed' : warnings > 0 ? 'warning' : 'ok'
  const width = Math.max(...findings.map(({ name }) => name.length))
  const lines = findings.map((finding) => findingText(finding, width, output.colours)).join('')
  const more = wanted ? { privileges } : {}
  const text = lines + privileges.map((one) => privilegeText(one, output.colours)).join('')
  await output.result({ state, checks: findings, ...more }, text)
  await output.note(`${count(findings.length, 'check')}, ${failures} failed, ${count(warnings, 'warning')}`)
  return failures > 0 ? 1 : 0
}

function privilegeText({ provider, title, text }: ProviderPrivileges, colours: boolean): string {
  return `\n${paint(`${provider}: ${title}`, 'bold', colours)}\n${text.trimEnd()}\n`
}

function findingText({ state, name, found, hint }: Finding, width: number, colours: boolean): string {
  const label = paint(state.padEnd(7), STYLES[state], colours)
  const indent = ' '.repeat(7 + 2 + width + 2)
  const text = found.split('\n').map(printable).join(`\n${indent}`)
  const advice = hint === undefined ? '' : `${indent}${paint('hint:', 'cyan', colours)} ${printable(hint)}\n`
  return `${label}  ${name.padEnd(width)}  ${text}\n${advice}`
}
