/** Long work on keys and data, as applications and the command line call it. What does it is loaded when called. */
import type { ForeignOptions } from '../data/foreign/readers.ts'
import type { CensusRecord } from '../keys/census.ts'
import type { Keyrings } from '../keys/keyrings.ts'
import type { KeyServices } from '../keys/services.ts'
import type { DrillOptions, DrillReport } from './drill.ts'
import type { LifecycleReport, RunLifecycleOptions } from './lifecycle/lifecycle.ts'
import type { LifecycleParts } from './lifecycle/task.ts'
import type { WatchLifecycleOptions } from './lifecycle/watch-options.ts'
import type { MigrationPlan } from './migrate/plan.ts'
import type {
  MigrateOptions,
  PlanMigrationOptions,
  ReverseMigrationOptions,
  VerifyMigrationOptions,
} from './migrate/request.ts'
import type { MigrationReport } from './migrate/run.ts'
import type { VerificationReport } from './migrate/verify.ts'
import type { MoveOptions, MoveReport } from './move.ts'
import type { MovePlan, MoveRequest } from './move-plan.ts'
import type { DataPlace } from './places.ts'
import type { QueueOptions, WorkQueue } from './queue/queue.ts'
import type { QueueWorker } from './queue/worker.ts'
import type { WorkerOptions } from './queue/worker-options.ts'
import type { RepairOptions, RepairReport } from './repair.ts'
import type { RollbackOptions, RollbackReport } from './rollback.ts'
import type { IndexReport, IndexReportOptions } from './search/index-report.ts'
import type { ReindexOptions, ReindexReport } from './search/reindex.ts'
import type { CensusOptions, CensusReport } from './values/census.ts'
import type { ReencryptOptions, ReencryptReport, ValueParts } from './values/reencrypt.ts'
import type { PlanOptions, ReencryptPlan } from './values/reencrypt-plan.ts'

export class Jobs {
  /** Where ciphertexts live, as the policy document or the program declared it. */
  readonly places: readonly DataPlace[]
  readonly #services: KeyServices
  readonly #rings: Keyrings

  readonly #foreign: ForeignOptions

  constructor(
    services: KeyServices,
    rings: Keyrings,
    places: readonly DataPlace[] = [],
    foreign: ForeignOptions = {},
  ) {
    this.#services = services
    this.#rings = rings
    this.#foreign = foreign
    this.places = places
  }

  /** What a move would do, and how far it has got. Changes nothing. */
  async planMove(request: MoveRequest): Promise<MovePlan> {
    return (await import('./move-plan.ts')).planMove(this.#services, request)
  }

  /**
   * Moves keys from one provider to another while applications use them; run again, it goes on. Look at `outcome`:
   * only 'finished' means that the old provider is not needed any more.
   */
  async move(options: MoveOptions): Promise<MoveReport> {
    return (await import('./move.ts')).move(this.#services, options)
  }

  /** Undoes a move whose last step has not begun. */
  async rollbackMove(options: RollbackOptions): Promise<RollbackReport> {
    return (await import('./rollback.ts')).rollbackMove(this.#services, options)
  }

  /** Gives every key the wraps that its policy wants. */
  async repair(options: RepairOptions = {}): Promise<RepairReport> {
    return (await import('./repair.ts')).repair(this.#services, options)
  }

  /** Which keys could not be opened if providers were gone, by opening every key with the others. */
  async drill(options: DrillOptions): Promise<DrillReport> {
    return (await import('./drill.ts')).drill(this.#services, options)
  }

  /** Makes the search tokens of declared columns under the active index keys; run again it goes on. */
  async reindex(options: ReindexOptions = {}): Promise<ReindexReport> {
    return (await import('./search/reindex.ts')).reindex(this.#services, this.#rings, this.places, options)
  }

  /** What the declared columns of search tokens tell to whoever reads them without a key. Changes nothing. */
  async reportIndexes(options: IndexReportOptions = {}): Promise<IndexReport[]> {
    return (await import('./search/index-report.ts')).reportIndexes(this.places, options)
  }

  /** Brings every value of the declared places, or of some, under the active key of its keyring. */
  async reencrypt(options: ReencryptOptions = {}): Promise<ReencryptReport> {
    return (await import('./values/reencrypt.ts')).reencrypt(this.#valueParts, options)
  }

  /** What a migration would do, by column: counts, formats, widths, what stands in its way. Writes nothing. */
  async planMigration(options: PlanMigrationOptions = {}): Promise<MigrationPlan> {
    const { planMigration } = await import('./migrate/plan.ts')
    return planMigration(this.#valueParts, this.places, { ...this.#foreign, ...options })
  }

  /** Encrypts plain text and values of other libraries in the declared columns; run again it goes on. */
  async migrate(options: MigrateOptions = {}): Promise<MigrationReport> {
    const { migrate } = await import('./migrate/run.ts')
    return migrate(this.#valueParts, this.places, { ...this.#foreign, ...options })
  }

  /** Whether every value of the declared columns is a ciphertext that opens where it stands. Writes nothing. */
  async verifyMigration(options: VerifyMigrationOptions = {}): Promise<VerificationReport> {
    return (await import('./migrate/verify.ts')).verifyMigration(this.#valueParts, this.places, options)
  }

  /** Takes a migration back: ciphertexts become plain text or Fernet tokens again. */
  async reverseMigration(options: ReverseMigrationOptions): Promise<MigrationReport> {
    const { reverseMigration } = await import('./migrate/reverse.ts')
    return reverseMigration(this.#valueParts, this.places, { ...this.#foreign, ...options })
  }

  /** Does once what is due: rotate, rewrap, re-encrypt, count, destroy what may go. A failing task keeps none from running. */
  async runLifecycle(options: RunLifecycleOptions = {}): Promise<LifecycleReport> {
    return (await import('./lifecycle/lifecycle.ts')).runLifecycle(await this.#lifecycleParts(), options)
  }

  /** The same on a schedule until the signal ends it; of several processes on a key store one is elected. */
  async watchLifecycle(options: WatchLifecycleOptions = {}): Promise<void> {
    return (await import('./lifecycle/watch.ts')).watchLifecycle(await this.#lifecycleParts(), options)
  }

  async #lifecycleParts(): Promise<LifecycleParts> {
    const { KeyManager } = await import('../keys/manager.ts')
    return { ...this.#valueParts, keys: new KeyManager(this.#services, this.#rings, this.places) }
  }

  /** The work queue on Redis: hands re-encryptions to workers, follows and stops them. Close it. */
  async queue(options: QueueOptions): Promise<WorkQueue> {
    return (await import('./queue/queue.ts')).openQueue(this.#valueParts, options)
  }

  /** Starts a worker that takes re-encryptions out of the work queue until it is closed. */
  async work(options: WorkerOptions): Promise<QueueWorker> {
    return (await import('./queue/worker.ts')).startWorker(this.#valueParts, options)
  }

  /** What `reencrypt` would do, from a sample that is really decrypted and encrypted. Writes nothing. */
  async planReencrypt(options: PlanOptions = {}): Promise<ReencryptPlan> {
    return (await import('./values/reencrypt-plan.ts')).planReencrypt(this.#valueParts, options)
  }

  /** Counts the ciphertexts under each key in every declared place, and records what it finds. Needs no key. */
  async census(options: CensusOptions = {}): Promise<CensusReport> {
    return (await import('./values/census.ts')).census(this.#valueParts, options)
  }

  /** What the last census found, as it is recorded; undefined when none was taken. */
  async lastCensus(): Promise<CensusRecord | undefined> {
    return (await import('../keys/census.ts')).readCensus(this.#services.store.documents)
  }

  get #valueParts(): ValueParts {
    return { services: this.#services, rings: this.#rings, places: this.places }
  }
}
