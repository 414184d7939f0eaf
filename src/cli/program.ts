/** The tree of commands, built from the rows in specs/ and run by commander. */
import { Command, CommanderError, Option } from 'commander'
import { KeywrightError } from '../errors.ts'
import { type Action, type Call, type CommandSpec, type OptionSpec, Options } from './call.ts'
import { write } from './io.ts'
import { auditSpecs } from './specs/audit.ts'
import { dataSpecs } from './specs/data.ts'
import { keySpecs } from './specs/keys.ts'
import { policySpecs } from './specs/policy.ts'
import { recordSpecs } from './specs/records.ts'
import { setupSpecs } from './specs/setup.ts'
import { packageVersion } from './version.ts'

/** Help or version were asked for and printed, or there was nothing else to do. */
export class HelpShown extends Error {
  readonly exitCode: number

  constructor(exitCode: number) {
    super('help was shown')
    this.exitCode = exitCode
  }
}

type Surroundings = Pick<Call, 'io' | 'output' | 'onInterrupt'>

const GROUPS: readonly (readonly [title: string, specs: readonly CommandSpec[]])[] = [
  ['Start:', setupSpecs],
  ['Data:', [...dataSpecs, ...recordSpecs]],
  ['Keys:', keySpecs],
  ['Policy:', policySpecs],
  ['Watch:', auditSpecs],
]

const GLOBAL: readonly OptionSpec[] = [
  { flags: '--config <path>', description: 'policy document (ENCRYPTION_CONFIG)' },
  { flags: '--backend <name>', description: 'who holds the master key (ENCRYPTION_KEY_STORAGE_BACKEND)' },
  { flags: '--key-path <path>', description: 'key file of the file backend (ENCRYPTION_KEY_STORAGE_PATH)' },
  {
    flags: '--store <url>',
    description: 'where the wrapped keys are, as sqlite:./keys.db (ENCRYPTION_KEY_STORE_URL)',
  },
  { flags: '--audit <path>', description: 'audit log, or "off" (ENCRYPTION_AUDIT_PATH)' },
  { flags: '--json', description: 'results as JSON on standard output, errors as JSON on standard error' },
  { flags: '-q, --quiet', description: 'no notes and no progress; warnings and errors stay' },
]

const FOOTER = `
Results go to standard output, everything else to standard error.
Precedence: option, environment (ENCRYPTION_…), policy document, default. \`keywright config\` shows what came of it.

Exit codes:
  0    done
  1    failed: the input, a key, a file or a service; the error has a code
  2    wrong use: the command, its options, the environment or the policy document
  130  stopped by Ctrl-C (143 by SIGTERM); nothing is left half-written

Start here:
  $ keywright init --root-key-file root.key
  $ export ENCRYPTION_MASTER_KEY_FILE=root.key
  $ echo 'ada@example.com' | keywright encrypt --key-type pii
`

/** Runs what `argv` asks for. Throws what the action throws, and ERR_ARGUMENT_INVALID for wrong use. */
export async function runProgram(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  let exitCode = 0
  const told: { text: string; error: boolean }[] = []
  const program = buildProgram((load, command, args, options) => async () => {
    const call = { ...surroundings, args, options, global: new Options(program.opts()), program }
    exitCode = (await (await load())({ ...call, program: command.parent === null ? command : program })) ?? 0
  })
  program.configureOutput({
    writeOut: (text) => told.push({ text, error: false }),
    writeErr: (text) => told.push({ text, error: true }),
    outputError: () => undefined,
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  })
  try {
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    for (const { text, error: isError } of told) {
      await write(isError ? surroundings.io.stderr : surroundings.io.stdout, text)
    }
    throw translate(error)
  }
  return exitCode
}
