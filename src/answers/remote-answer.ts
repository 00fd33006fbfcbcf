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
  /** The server that writes it, its owner; null until that has been read. */
  ownerId: string | null = null;
  /** When the database was last read for it. All times are on the monotonic clock. */
  lookedAtMs = Number.NEGATIVE_INFINITY;
  /** When its last reader left; null while it has one. */
  #leftAtMs: number | null = performance.now();
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  /** Length of both texts that the owner was told last. */
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

  /** Notes that its owner has sent something about it. */
  heard(): void {
    this.#heardAtMs = performance.now();
  }

  /** How long its owner has been silent. */
  get silentMs(): number {
    return performance.now() - this.#heardAtMs;
  }

  /** Asks the owner to send it on from what is known of it. Asks for what is lost only now and then. */
  ask(bus: Bus): void {
    if (this.ownerId === null || performance.now() - this.#askedAtMs < ASK_AGAIN_MS) return;
    this.#askedAtMs = performance.now();
    bus.send(this.ownerId, ['follow', ...this.place()]);
  }

  /** Treats the owner as silent and not asked: something may have been lost. */
  doubt(): void {
    this.#heardAtMs = Number.NEGATIVE_INFINITY;
    this.#askedAtMs = Number.NEGATIVE_INFINITY;
    this.lookedAtMs = Number.NEGATIVE_INFINITY;
  }

  /** What is known of it, as the owner is told. */
  place(): Place {
    const [text, reasoning] = [this.lengthOf('TEXT'), this.lengthOf('REASONING')];
    this.#acknowledged = text + reasoning;
    return [this.id, text, reasoning];
  }

  /** Whether so much has come that the owner should be told before the next second. */
  get hasMuchUnacknowledged(): boolean {
    return this.lengthOf('TEXT') + this.lengthOf('REASONING') - this.#acknowledged >= ACKNOWLEDGE_AFTER;
  }

  /** Whether nobody has read it for so long. */
  isLeft(forMs: number): boolean {
    if (this.hasReaders) this.#leftAtMs = null;
    else this.#leftAtMs ??= performance.now();
    return this.#leftAtMs !== null && performance.now() - this.#leftAtMs >= forMs;
  }
}

/** Before all chunks. */
export const NO_CHUNK: ChunkPlace = { fromOffset: -1, bytes: 0 };

const ASK_AGAIN_MS = 100;
const ACKNOWLEDGE_AFTER = 65_536; // UTF-16 code units: half of what the owner sends without an acknowledgement
