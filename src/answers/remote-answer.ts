import type { Bus, Place } from '../bus/bus.ts';
import { type AnswerPart, FollowedAnswer } from './followed-answer.ts';

/** A piece of the text of an answer, at its offset in UTF-16 code units. */
export interface Piece {
  part: AnswerPart;
  offset: number;
  text: string;
}

/** The last chunk of a part that was read from the database: the same one may be read again later, with more text. */
export interface ChunkPlace {
  fromOffset: number;
  bytes: number;
}

/**
 * An answer that another server writes, as far as it is known here: once for all of its readers on this server. Its text comes in
 * pieces, from that server's frames and from the chunks it saves, which may overlap.
 */
export class RemoteAnswer extends FollowedAnswer {
  /** The server that writes it; null until that has been read. */
  writerId: string | null = null;
  /** When the database was last read for it. All times are on the monotonic clock. */
  lookedAtMs = Number.NEGATIVE_INFINITY;
  /** When its last reader left; null while it has one. */
  #leftAtMs: number | null = performance.now();
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  /** Length of both texts in the last acknowledgement. */
  #acknowledged = 0;
  readonly #chunks: Record<AnswerPart, ChunkPlace> = { TEXT: { ...NO_CHUNK }, REASONING: { ...NO_CHUNK } };

  /** Appends what is new in a piece. False if text between the known one and the piece is missing. */
  add({ part, offset, text }: Piece): boolean {
    const known = this.lengthOf(part);
    if (offset > known) return false;
    if (offset + text.length > known) this.append(part, offset === known ? text : text.slice(known - offset));
    return true;
  }

  /** Appends what the saved answer has beyond the known text, so that its readers get all of it before the end. */
  addRest(saved: { text: string; reasoning: string }): void {
    for (const [part, whole] of [
      ['REASONING', saved.reasoning],
      ['TEXT', saved.text],
    ] as const) {
      const known = this.parts[part].text;
      if (whole.startsWith(known)) this.append(part, whole.slice(known.length));
    }
  }

  /** Appends what is new in a chunk of the database. */
  addChunk(piece: Piece): void {
    if (!this.add(piece)) return;
    this.#chunks[piece.part] = { fromOffset: piece.offset, bytes: Buffer.byteLength(piece.text) };
  }

  /** The last chunk that was read of a part. */
  lastChunk(part: AnswerPart): ChunkPlace {
    return this.#chunks[part];
  }

  /** Notes that its writer has sent something about it. */
  heard(): void {
    this.#heardAtMs = performance.now();
  }

  /** How long its writer has been silent. */
  get silentMs(): number {
    return performance.now() - this.#heardAtMs;
  }

  /** Asks the writer to send it on from what is known of it. Asks for what is lost only now and then. */
  ask(bus: Bus): void {
    if (this.writerId === null || performance.now() - this.#askedAtMs < ASK_AGAIN_MS) return;
    this.#askedAtMs = performance.now();
    bus.send(this.writerId, ['follow', ...this.acknowledge()]);
  }

  /** Treats the writer as silent and not asked: something may have been lost. */
  doubt(): void {
    this.#heardAtMs = Number.NEGATIVE_INFINITY;
    this.#askedAtMs = Number.NEGATIVE_INFINITY;
    this.lookedAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Acknowledges to the writer what is known of it. */
  acknowledge(): Place {
    const [text, reasoning] = [this.lengthOf('TEXT'), this.lengthOf('REASONING')];
    this.#acknowledged = text + reasoning;
    return [this.id, text, reasoning];
  }

  /** Whether an acknowledgement is due before the next second. */
  get hasMuchUnacknowledged(): boolean {
    return this.lengthOf('TEXT') + this.lengthOf('REASONING') - this.#acknowledged >= ACKNOWLEDGE_AFTER;
  }

  /** Whether it has had no reader for so many milliseconds. */
  isLeft(forMs: number): boolean {
    if (this.hasReaders) this.#leftAtMs = null;
    else this.#leftAtMs ??= performance.now();
    return this.#leftAtMs !== null && performance.now() - this.#leftAtMs >= forMs;
  }
}

/** Before all chunks. */
export const NO_CHUNK: ChunkPlace = { fromOffset: -1, bytes: 0 };

const ASK_AGAIN_MS = 100;
const ACKNOWLEDGE_AFTER = 65_536; // UTF-16 code units: half of what the writer sends without an acknowledgement
