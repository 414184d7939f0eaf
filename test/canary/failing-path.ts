import type { Lab } from './lab.ts'

/** A way in which something fails, and what to do for it. */
export type FailingPath = readonly [what: string, run: (lab: Lab) => unknown]
