/** Commands that keep keys in order by themselves: the lifecycle, workers and their queue. */
import type { CommandSpec, OptionSpec } from '../call.ts'
import { KEY_TYPE, TENANT } from './common.ts'

const BATCH: OptionSpec = {
  flags: '--batch <n>',
  description: 'rows a page of a re-encryption, 1,000 by default',
}
const RATE: OptionSpec = { flags: '--rate <n>', description: 'rows a second at most' }
const THREADS: OptionSpec = { flags: '--workers <n>', description: 'threads of a re-encryption' }
const REASON: OptionSpec = { flags: '--reason <text>', description: 'why, for the audit log' }
const QUEUE: readonly OptionSpec[] = [
  {
    flags: '--queue <url>',
    description: 'the Redis of the work queue, as redis://host:6379/0 (ENCRYPTION_QUEUE_URL)',
  },
  { flags: '--queue-prefix <name>', description: 'what its keys begin with, keywright by default' },
]

const lifecycle: readonly CommandSpec[] = [
  {
    name: 'run',
    summary: 'do once what is due: rotate, rewrap, re-encrypt, count, destroy what may go, report',
    details:
      'A task that fails does not keep the others from running. Tasks: rotate-due, rewrap, reencrypt, census, ' +
      'cleanup, report; and rotate, for one key type. Exit code 1 when something that was due is not done.',
    options: [
      { flags: '--task <name>', description: 'only this task; may be given several times', repeat: true },
      KEY_TYPE,
      { flags: '--force', description: 'with the task rotate: although it is not due' },
      BATCH,
      THREADS,
      RATE,
      REASON,
      {
        flags: '--take-over',
        description: 'go on although another run seems to be at it: it is known to be dead',
      },
      { flags: '--report <path>', description: 'write the whole report as JSON, into a new file' },
    ],
    examples: [
      ['keywright lifecycle run', 'everything; for a nightly timer'],
      ['keywright lifecycle run --task rotate-due --task report', 'two tasks'],
      ['keywright lifecycle run --task reencrypt --key-type pii --batch 1000', 'one key type'],
    ],
    load: async () => (await import('../commands/lifecycle.ts')).runLifecycle,
  },
  {
    name: 'watch',
    summary: 'do what is due on a schedule until it is stopped; of several processes one is elected',
    details:
      'Times are UTC unless --time-zone says otherwise. Dates that nobody was there for are made up for once. ' +
      'SIGTERM ends it in order: what is under way goes on with whoever leads next.',
    options: [
      {
        flags: '--schedule <task=cron>',
        description: "when a task runs, as 'rotate-due=0 3 * * *'; 'run=0 3 * * *' by default",
        repeat: true,
      },
      { flags: '--time-zone <name>', description: 'as Europe/Vienna' },
      BATCH,
      THREADS,
      RATE,
      REASON,
    ],
    examples: [
      ['keywright lifecycle watch', 'everything, every night at three'],
      [
        "keywright lifecycle watch --schedule 'rotate-due=0 3 * * *' --schedule 'reencrypt:pii=0 4 * * 6'",
        'rotation daily, one key type on Saturdays',
      ],
    ],
    load: async () => (await import('../commands/lifecycle.ts')).watchLifecycle,
  },
  {
    name: 'report',
    summary: 'tell how keys stand and what `lifecycle watch` did last; changes nothing',
    examples: [['keywright lifecycle report --json', 'for a monitor']],
    load: async () => (await import('../commands/lifecycle.ts')).reportLifecycle,
  },
]

const FLOW: readonly OptionSpec[] = [
  TENANT,
  { flags: '--source <name>', description: 'only this source; may be given several times', repeat: true },
  BATCH,
  { flags: '--range-rows <n>', description: 'about so many rows to a range, 10000 by default' },
  { flags: '--attempts <n>', description: 'how often a range is tried, 8 by default' },
  REASON,
  { flags: '--no-wait', description: 'hand it to the workers and end' },
]

const queue: readonly CommandSpec[] = [
  {
    name: 'reencrypt <key-type>',
    summary: 'have workers re-encrypt all values of a key type under its active key',
    details:
      'Follows it to its end; Ctrl-C stops following, not the workers. Exit code 1 unless every value is done.',
    options: [...QUEUE, ...FLOW],
    examples: [['keywright queue reencrypt pii', 'with a progress bar; --json prints events']],
    load: async () => (await import('../commands/queue.ts')).reencrypt,
  },
  {
    name: 'wait <id>',
    summary: 'follow a re-encryption to its end',
    options: QUEUE,
    examples: [['keywright queue wait pii-2f6c1d0a9b', 'the id that `queue reencrypt --no-wait` printed']],
    load: async () => (await import('../commands/queue.ts')).wait,
  },
  {
    name: 'status',
    summary: 'list re-encryptions, workers, and what is wrong with the Redis',
    options: QUEUE,
    examples: [['keywright queue status --json', 'for a monitor']],
    load: async () => (await import('../commands/queue.ts')).status,
  },
  {
    name: 'pause',
    summary: 'have all workers finish what they have begun and take nothing more',
    options: QUEUE,
    examples: [['keywright queue pause', 'on all machines, until `queue resume`']],
    load: async () => (await import('../commands/queue.ts')).pauseQueue,
  },
  {
    name: 'resume',
    summary: 'let the workers go on',
    options: QUEUE,
    examples: [['keywright queue resume', 'after `queue pause`']],
    load: async () => (await import('../commands/queue.ts')).resumeQueue,
  },
  {
    name: 'cancel <id>',
    summary: 'stop a re-encryption between two pages; what is done stays done',
    options: QUEUE,
    examples: [['keywright queue cancel pii-2f6c1d0a9b', 'start it again to go on']],
    load: async () => (await import('../commands/queue.ts')).cancel,
  },
]

export const lifecycleSpecs: readonly CommandSpec[] = [
  {
    name: 'lifecycle',
    summary: 'rotate, re-encrypt, count and clean up, once or on a schedule',
    commands: lifecycle,
  },
  {
    name: 'worker',
    summary: 'take re-encryptions out of the work queue and do them, until it is stopped',
    details:
      'Start as many as you like, on as many machines as you like, with the same policy document and key store. ' +
      'SIGTERM ends it in order: the page that is under way is finished, the rest of its range goes back.',
    options: [
      ...QUEUE,
      { flags: '--name <name>', description: 'as it is called in the queue' },
      { flags: '--concurrency <n>', description: 'ranges at once, 2 by default' },
      RATE,
      {
        flags: '--max-latency <time>',
        description: 'go slower while a page takes longer than this, as 500ms',
      },
      {
        flags: '--limit <n/time>',
        description: 'ranges that all workers together begin, as 10/1m; tell all workers the same',
      },
      { flags: '--lock <time>', description: 'a worker silent for so long is taken over, 30s by default' },
      { flags: '--stalled <time>', description: 'how often workers look for such ones, 15s by default' },
    ],
    examples: [['keywright worker --queue redis://redis.internal:6379/0', 'until SIGTERM']],
    load: async () => (await import('../commands/worker.ts')).work,
  },
  { name: 'queue', summary: 'have workers re-encrypt, follow and stop them', commands: queue },
]
