/** What the emulator kit hands out: a running server that behaves like a backend, and how to reach it. */

/** Backends and stores that a test can have a server for. */
export type EmulatorName = 'vault' | 'aws-kms' | 'azure-key-vault' | 'gcp-kms' | 'redis' | 'postgres'

/** What the server is: an image under Docker, a program on this machine, or a wire fake in this process. */
export type EmulatorKind = 'container' | 'native' | 'fake'

export interface EmulatorOptions {
  /**
   * Where to run it. 'auto' takes a container where Docker has or can pull the image, else a program on this
   * machine. @default the variable KEYWRIGHT_EMULATORS, else 'auto'
   */
  readonly kind?: 'auto' | EmulatorKind
  /** Which server, where there are several for a backend: 'localstack' or 'moto' for aws-kms. */
  readonly server?: string
  /** Time until it must answer, in ms, without installing or pulling. @default 60_000 */
  readonly startTimeoutMs?: number
}

/** A master key made in an emulator. */
export interface EmulatorMasterKey {
  /** As the backend's `keyId` option takes it. */
  readonly keyId: string
  /** The emulator's `env` with this key in place of the first one. */
  readonly env: Readonly<Record<string, string>>
}

export interface Emulator extends AsyncDisposable {
  readonly name: EmulatorName
  readonly kind: EmulatorKind
  /** Server and version, for people: 'OpenBao 2.7.2'. */
  readonly server: string
  /** Its address, in the form in which clients of this backend take it. */
  readonly endpoint: string
  /**
   * Environment variables with which `open({ environment: env })` uses it; a first master key is there already. For
   * 'postgres' and 'redis' ENCRYPTION_KEY_STORE_URL too.
   */
  readonly env: Readonly<Record<string, string>>
  /** Makes one more master key. Throws ERR_ARGUMENT_INVALID for 'postgres', which holds none. */
  createMasterKey(name?: string): Promise<EmulatorMasterKey>
  /** Ends it and removes what it wrote. Twice is harmless. */
  stop(): Promise<void>
}

/** Why a server cannot be had here, and the command that would change it. */
export interface Missing {
  readonly reason: string
  readonly remedy: string
}

/** A server that runs as a program on this machine, or as a fake in this process. One file each. */
export interface LocalServer {
  readonly name: EmulatorName
  readonly kind: 'native' | 'fake'
  /** Server and version, for people. */
  readonly server: string
  /** Makes the program available, once; afterwards it takes a few ms. Resolves to what is missing, if anything. */
  install(): Promise<Missing | undefined>
  /** Starts it on a free loopback port. `install` came first. */
  start(options: EmulatorOptions): Promise<Emulator>
}
