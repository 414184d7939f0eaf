/** Key records for the tests of stores: those of the contract. */
export { listAll, recordOf, wrapOf } from '../../../src/testing/conformance/store-records.ts'
