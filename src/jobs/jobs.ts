/** Long work on the wraps of keys, as applications and the command line call it. What does it is loaded when called. */
import type { KeyServices } from '../keys/services.ts'
import type { DrillOptions, DrillReport } from './drill.ts'
import type { MoveOptions, MoveReport } from './move.ts'
import type { MovePlan, MoveRequest } from './move-plan.ts'
import type { RepairOptions, RepairReport } from './repair.ts'
import type { RollbackOptions, RollbackReport } from './rollback.ts'

export class Jobs {
  readonly #services: KeyServices

  constructor(services: KeyServices) {
    this.#services = services
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
}
