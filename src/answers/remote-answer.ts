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
  /** When its last reader left, on the monotonic clock; null while it has one. */
  #leftAtMs: number | null = performance.now();
  readonly #chunks: Record<AnswerPart, ChunkPlace> = { TEXT: { ...NO_CHUNK }, REASONING: { ...NO_CHUNK } };

  /** Appends what is new in a piece. False if text between the known one and the piece is missing. */
  add({ part, offset, text }: Piece): boolean {
    const known = this.lengthOf(part);
    if (offset > known) return false;
    if (offset + text.length > known) this.append(part, offset === known ? text : text.slice(known - offset));
    return true;
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

  /** Whether nobody has read it for so long. */
  isLeft(forMs: number): boolean {
    if (this.hasReaders) this.#leftAtMs = null;
    else this.#leftAtMs ??= performance.now();
    return this.#leftAtMs !== null && performance.now() - this.#leftAtMs >= forMs;
  }
}

const NO_CHUNK: ChunkPlace = { fromOffset: -1, bytes: 0 };
