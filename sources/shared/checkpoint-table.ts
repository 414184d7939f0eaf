/** The table of checkpoints beside the rows. Two tables of one schema may be worked on at once. */
export const CHECKPOINT_TABLE = 'keywright_checkpoints'
