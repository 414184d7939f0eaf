/**
 * The errors of KMS as it puts them on the wire.
 *
 * https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html, and the "Errors" of each operation
 */

/** Error name → HTTP status, as the API reference gives it. */
const STATUS = {
  AccessDeniedException: 400,
  AlreadyExistsException: 400,
  DisabledException: 400,
  ExpiredTokenException: 400,
  IncorrectKeyException: 400,
  IncompleteSignature: 400,
  InvalidArnException: 400,
  InvalidCiphertextException: 400,
  InvalidGrantTokenException: 400,
  InvalidKeyUsageException: 400,
  InvalidSignatureException: 400,
  KMSInternalException: 500,
  KMSInvalidStateException: 400,
  MissingAuthenticationToken: 403,
  NotFoundException: 400,
  SerializationException: 400,
  ServiceUnavailable: 503,
  ThrottlingException: 400,
  UnknownOperationException: 400,
  UnrecognizedClientException: 400,
  UnsupportedOperationException: 400,
  ValidationException: 400,
} as const

export type RefusalName = keyof typeof STATUS

/** A call that is refused, with the name under which KMS refuses it. */
export class Refusal extends Error {
  override readonly name: RefusalName

  constructor(name: RefusalName, message: string) {
    super(message)
    this.name = name
  }

  get status(): number {
    return STATUS[this.name]
  }
}
