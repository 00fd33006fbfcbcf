import { counted } from '../counted.ts';
import type { SealError } from '../vault/seal.ts';

/** One thing that is wrong with an audit log. Positions count from 1; `from` and `to` are both included. */
export type AuditFault =
  /** The row is gone. */
  | { type: 'missing'; from: number; to: number }
  /** Its hash covers that of a missing entry. */
  | { type: 'unchecked'; at: number }
  /** The content is not what was recorded at this position, or not after the entry before. */
  | { type: 'changed'; from: number; to: number }
  /** More entries than the chain counts. */
  | { type: 'surplus'; from: number; to: number }
  /** The chain's head is not the hash of its last entry. */
  | { type: 'head' }
  /** There are entries, but the row with their key is gone. */
  | { type: 'no-chain' }
  /** The key of the chain does not open. */
  | { type: 'unopened'; reason: SealError['type'] }
  /** A kept head is further on than the log. */
  | { type: 'cut'; after: number; length: number }
  /** The entry at a kept head's position has another hash. */
  | { type: 'differs'; at: number }
  /** A kept head belongs to a tenant without a log. */
  | { type: 'gone'; length: number }
  /** The number of faults that are not listed. */
  | { type: 'more'; faults: number };

/** The sentence about a fault, for the operator. */
export function faultSentence(fault: AuditFault): string {
  switch (fault.type) {
    case 'missing':
      return `${entries(fault)} missing.`;
    case 'unchecked':
      return `Entry ${fault.at} cannot be checked without the one before it.`;
    case 'changed':
      return fault.from === fault.to
        ? `Entry ${fault.from} is not what was recorded there.`
        : `Entries ${fault.from} to ${fault.to} do not follow one another as they were recorded: one was edited, inserted, removed or moved.`;
    case 'surplus':
      return `${entries(fault)} beyond the end that the chain's own row states.`;
    case 'head':
      return "The end that the chain's own row states is not its last entry.";
    case 'no-chain':
      return 'There are entries, but their chain is missing, so none of them can be checked.';
    case 'unopened':
      return `The key of the chain does not open: ${fault.reason}. None of its entries can be checked.`;
    case 'cut': {
      const missing = fault.length - fault.after;
      return `${counted(missing, 'entry', 'entries')} after entry ${fault.after} ${missing === 1 ? 'is' : 'are'} missing: the given head is entry ${fault.length}.`;
    }
    case 'differs':
      return `Entry ${fault.at} is not the one of the given head.`;
    case 'gone':
      return `The log is gone: the given head is entry ${fault.length}.`;
    case 'more':
      return `And ${fault.faults} more.`;
    default:
      return fault satisfies never;
  }
}

/** Collects faults in the order in which they are found. Adjacent positions are merged; beyond a hundred faults they are only counted. */
export class FaultList {
  readonly #faults: AuditFault[] = [];
  #more = 0;

  get all(): readonly AuditFault[] {
    return this.#more === 0 ? this.#faults : [...this.#faults, { type: 'more', faults: this.#more }];
  }

  /** Adds a fault of a range of positions, or extends the last fault. */
  add(type: 'missing' | 'changed' | 'surplus', from: number, to: number): void {
    const before = this.#faults.at(-1);
    if (before?.type === type && before.to === from - 1) before.to = to;
    else this.note({ type, from, to });
  }

  note(fault: AuditFault): void {
    if (this.#faults.length < MOST_FAULTS) this.#faults.push(fault);
    else this.#more += 1;
  }
}

/** Enough for an operator to see the damage, and memory stays small. */
const MOST_FAULTS = 100;

function entries({ from, to }: { from: number; to: number }): string {
  return from === to ? `Entry ${from} is` : `Entries ${from} to ${to} are`;
}
