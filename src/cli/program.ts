/** The tree of commands, built from the rows in specs/ and run by commander. */
import type { Writable } from 'node:stream'
import { Command, CommanderError, Option, type OutputConfiguration } from 'commander'
import { type Action, type Call, type CommandSpec, type OptionSpec, Options } from './call.ts'
import { write } from './io.ts'
import { auditSpecs } from './specs/audit.ts'
import { backupSpecs } from './specs/backups.ts'
import { dataSpecs } from './specs/data.ts'
import { fileSpecs } from './specs/files.ts'
import { jobSpecs } from './specs/jobs.ts'
import { keySpecs } from './specs/keys.ts'
import { lifecycleSpecs } from './specs/lifecycle.ts'
import { migrateSpecs } from './specs/migrate.ts'
import { policySpecs } from './specs/policy.ts'
import { recordSpecs } from './specs/records.ts'
import { searchSpecs } from './specs/search.ts'
import { setupSpecs } from './specs/setup.ts'
import { storeSpecs } from './specs/store.ts'
import { valueSpecs } from './specs/values.ts'
import { toUsageError } from './usage.ts'
import { packageVersion } from './version.ts'

type Surroundings = Pick<Call, 'io' | 'output' | 'onInterrupt' | 'orderly'>

const GROUPS: readonly (readonly [title: string, specs: readonly CommandSpec[]])[] = [
  ['Start:', setupSpecs],
  ['Data:', [...dataSpecs, ...fileSpecs, ...backupSpecs, ...recordSpecs, ...searchSpecs, ...migrateSpecs]],
  ['Keys:', [...keySpecs, ...jobSpecs, ...valueSpecs, ...lifecycleSpecs, ...storeSpecs]],
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
Options win over the environment (ENCRYPTION_…), that over the policy document,
that over defaults; \`keywright config\` shows what came of it.

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
  const { io } = surroundings
  const told: { readonly stream: Writable; readonly text: string }[] = []
  let exitCode = 0
  const program = newProgram({
    writeOut: (text) => told.push({ stream: io.stdout, text }),
    writeErr: (text) => told.push({ stream: io.stderr, text }),
  })
  const act = (load: () => Promise<Action>) => async (call: Pick<Call, 'args' | 'options'>) => {
    const action = await load()
    exitCode = (await action({ ...surroundings, ...call, global: new Options(program.opts()), program })) ?? 0
  }
  for (const [title, specs] of GROUPS) {
    for (const spec of specs) addCommand(program, spec, act).helpGroup(title)
  }
  program.command('help [command...]').summary('print the help of a command').helpGroup('Start:')
  try {
    await program.parseAsync(withHelp(argv), { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    for (const { stream, text } of told) await write(stream, text)
    throw toUsageError(error)
  }
  return exitCode
}

/** `help keys rotate` is `keys rotate --help`: commander's own help command knows one level only. */
function withHelp(argv: readonly string[]): readonly string[] {
  return argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv
}

function newProgram(output: Pick<OutputConfiguration, 'writeOut' | 'writeErr'>): Command {
  const program = new Command('keywright')
    .description('Keeps the keys of an application, encrypts with them, rotates them by policy.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ ...output, outputError: () => undefined })
    .configureHelp({ showGlobalOptions: false })
    .addHelpText('after', FOOTER)
  for (const option of GLOBAL) program.addOption(toOption(option))
  return program
}

type Bind = (load: () => Promise<Action>) => (call: Pick<Call, 'args' | 'options'>) => Promise<void>

function addCommand(parent: Command, spec: CommandSpec, act: Bind): Command {
  const command = parent.command(spec.name).summary(spec.summary).helpCommand(false)
  command.description(
    [sentence(spec.summary), ...(spec.details === undefined ? [] : [spec.details])].join('\n\n'),
  )
  for (const option of spec.options ?? []) command.addOption(toOption(option))
  const examples = (spec.examples ?? []).map(([line, what]) => `  # ${what}\n  $ ${line}\n`).join('')
  if (examples !== '') command.addHelpText('after', `\nExamples:\n${examples.trimEnd()}`)
  if (spec.commands === undefined) command.addHelpText('after', MORE_OPTIONS)
  for (const inner of spec.commands ?? []) addCommand(command, inner, act)
  if (spec.load !== undefined) {
    const run = act(spec.load)
    command.action((...received: unknown[]) =>
      run({
        args: received.slice(0, -2) as (string | undefined)[],
        options: new Options(received.at(-2) as Record<string, unknown>),
      }),
    )
  }
  return command
}

const MORE_OPTIONS = '\nOptions that every command takes: keywright --help'

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`

function toOption({ flags, description, repeat = false, choices }: OptionSpec): Option {
  const option = new Option(flags, description)
  if (choices !== undefined) option.choices(choices)
  if (repeat) {
    option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value])
  }
  return option
}
