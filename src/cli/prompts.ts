/** Questions to a person at a terminal, on standard error. The library that asks is loaded with the first question. */
import { Interrupted, type Io } from './io.ts'

async function ask<T>(
  io: Io,
  question: (at: { input: Io['stdin']; output: Io['stderr'] }) => Promise<T | symbol>,
): Promise<T> {
  const answer = await question({ input: io.stdin, output: io.stderr })
  if (typeof answer === 'symbol') throw new Interrupted() // Ctrl-C or Escape
  return answer
}

/** Yes or no; Enter is no. */
export async function confirm(io: Io, message: string): Promise<boolean> {
  const clack = await import('@clack/prompts')
  return ask<boolean>(io, (at) => clack.confirm({ message, initialValue: false, ...at }))
}

/** A line of text that `check` accepts: it returns what is wrong, or nothing. */
export async function askText(
  io: Io,
  message: string,
  options: { readonly initial?: string; readonly check?: (text: string) => string | undefined } = {},
): Promise<string> {
  const clack = await import('@clack/prompts')
  const { check, initial } = options
  return ask<string>(io, (at) =>
    clack.text({
      message,
      ...(initial === undefined ? {} : { initialValue: initial }),
      ...(check === undefined ? {} : { validate: (text: string | undefined) => check(text ?? '') }),
      ...at,
    }),
  )
}

/** A text that is not shown. */
export async function askSecret(
  io: Io,
  message: string,
  check?: (text: string) => string | undefined,
): Promise<string> {
  const clack = await import('@clack/prompts')
  return ask<string>(io, (at) =>
    clack.password({
      message,
      ...(check === undefined ? {} : { validate: (text: string | undefined) => check(text ?? '') }),
      ...at,
    }),
  )
}

/** One of several. */
export async function choose<T extends string>(
  io: Io,
  message: string,
  choices: readonly { readonly value: T; readonly label: string; readonly hint?: string }[],
): Promise<T> {
  const clack = await import('@clack/prompts')
  const options = choices.map(({ value, label, hint }) => ({
    value: value as string,
    label,
    ...(hint === undefined ? {} : { hint }),
  }))
  return (await ask(io, (at) => clack.select({ message, options, ...at }))) as T
}
