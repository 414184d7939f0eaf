/** What commander refuses, in our words. What was typed may be a secret in the wrong place, so only names are repeated. */
import type { CommanderError } from 'commander'
import type { KeywrightError } from '../errors.ts'
import { wrongUse } from './call.ts'

/** Help or version were asked for and printed, or there was nothing else to do. */
export class HelpShown extends Error {
  readonly exitCode: number

  constructor(exitCode: number) {
    super('help was shown')
    this.exitCode = exitCode
  }
}

const HELP = 'see keywright --help, or the help of the command'

/** The error for what commander found wrong. */
export function toUsageError({ code, message }: CommanderError): Error {
  if (code === 'commander.helpDisplayed' || code === 'commander.version') return new HelpShown(0)
  if (code === 'commander.help') return new HelpShown(2)
  return REFUSALS[code]?.(message) ?? wrongUse('the command line is not understood', HELP)
}

const quotedIn = (message: string): string => /'([^']*)'/.exec(message)?.[1] ?? ''

function suggestion(message: string): string {
  const found = /\(Did you mean (one of )?(.+)\?\)/.exec(message)
  if (found === null) return HELP
  return `did you mean ${found[1] ?? ''}${(found[2] ?? '')
    .split(', ')
    .map((name) => `"${name}"`)
    .join(', ')}?`
}

const REFUSALS: Readonly<Record<string, (message: string) => KeywrightError>> = {
  'commander.unknownCommand': (message) => {
    const name = quotedIn(message)
    const shown = /^[a-z][a-z-]{0,30}$/.test(name) ? ` "${name}"` : ''
    return wrongUse(`unknown command${shown}`, suggestion(message))
  },
  'commander.unknownOption': (message) => {
    const name = quotedIn(message).split('=')[0] ?? ''
    if (/^--[a-z][a-z0-9-]{0,40}$/.test(name))
      return wrongUse(`unknown option "${name}"`, suggestion(message))
    return wrongUse('unknown option', 'a value that begins with "-" goes after "--"')
  },
  'commander.excessArguments': (message) => {
    const [, expected, got] = /Expected (\d+) arguments? but got (\d+)/.exec(message) ?? []
    return wrongUse(
      `too many arguments: ${expected} expected, ${got} given`,
      'a value with spaces stands in quotes, or comes on standard input',
    )
  },
  'commander.missingArgument': (message) => wrongUse(`<${quotedIn(message)}> is missing`, HELP),
  'commander.optionMissingArgument': (message) =>
    wrongUse(`${quotedIn(message)}: the value is missing`, HELP),
  'commander.invalidArgument': (message) => {
    const choices = /Allowed choices are (.+)\.$/.exec(message)?.[1] ?? ''
    return wrongUse(`${quotedIn(message)}: there is no such choice`, `one of ${choices}`)
  },
}
