/** What worker.ts and the test that kills it say to each other, one JSON value per line. */

/** Operations that make or change keys. */
export const OPERATIONS = ['create', 'rotateNow', 'rotateAhead', 'rotateMaster', 'rewrap'] as const
export type Operation = (typeof OPERATIONS)[number]

export const KEY_TYPES = ['pii', 'financial_data', 'session', 'api_keys'] as const

/** To the worker: what to do again and again, and the seed of its choices. */
export type Order = readonly [operation: Operation, seed: number]

/** From the worker. 'end' tells how long the operation took, in ms. */
export type Line =
  | readonly ['ready']
  | readonly ['begin', Operation]
  | readonly ['end', Operation, number]
  | readonly ['sealed', ciphertext: string, text: string]
