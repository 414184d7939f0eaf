/** The gRPC statuses with which Cloud KMS refuses. https://cloud.google.com/apis/design/errors */
export const STATUS = {
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const

/** A refusal: what the fake puts on the wire. */
export class StatusError extends Error {
  override readonly name = 'StatusError'
  readonly code: number

  constructor(status: keyof typeof STATUS, message: string) {
    super(message)
    this.code = STATUS[status]
  }
}
