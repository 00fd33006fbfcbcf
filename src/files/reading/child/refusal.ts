import type { RefusalName } from '../refusals.ts';

/** A file that is not read, for a reason that its uploader can act on. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly refusal: RefusalName;

  constructor(refusal: RefusalName) {
    super(refusal);
    this.refusal = refusal;
  }
}
