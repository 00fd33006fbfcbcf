import type { MessagePort } from 'node:worker_threads';
import type { PGlite } from '@electric-sql/pglite';
import {
  endsReady,
  errorMessage,
  messagesIn,
  queryMessage,
  READY,
  READY_IN_FAILED_TRANSACTION,
  textOf,
} from './wire-messages.ts';

/**
 * The one session of an embedded database, in the wire protocol of PostgreSQL. While the disk is nearly full the database is
 * read-only, since PostgreSQL ends when its write-ahead log finds no room.
 */
export class EmbeddedSession {
  readonly #engine: PGlite;
  readonly #freeBytes: () => number;
  readonly #onDiskChange: DiskChange;
  readonly #failed = Promise.withResolvers<never>();
  #isReadOnly = false;
  /** Whether PostgreSQL expects a new statement, not the rest of one. */
  #isBetweenStatements = true;
  /** Whether the rest of a statement is to be ignored because its first part was refused. */
  #isRefused = false;

  /** `freeBytes` returns the free space of the disk. */
  constructor(engine: PGlite, freeBytes: () => number, onDiskChange: DiskChange) {
    this.#engine = engine;
    this.#freeBytes = freeBytes;
    this.#onDiskChange = onDiskChange;
  }

  /** Serves a client until it closes the port or says goodbye. Each of its messages holds whole messages of the protocol. */
  async serve(port: MessagePort): Promise<void> {
    const { promise: closed, resolve: close } = Promise.withResolvers<void>();
    port.on('close', close);
    port.on('message', (bytes: Uint8Array) => {
      if (bytes[0] === TERMINATE) port.close();
      else this.execute(bytes, (reply) => port.postMessage(reply, [reply.buffer]));
    });
    await Promise.race([closed, this.#failed.promise]);
  }

  /** Executes whole messages, and calls `reply` before it returns. */
  execute(messages: Uint8Array, reply: Reply): void {
    const isInTransaction = this.#engine.isInTransaction();
    if (isInTransaction && !this.#isReadOnly && !this.#hasRoom()) {
      this.#refuse(messages, reply);
      return;
    }
    // A statement in between would end the one that PostgreSQL has parsed and not executed yet.
    if (!isInTransaction && this.#isBetweenStatements) this.#updateReadOnly();
    this.#isRefused = false;
    this.#run(messages, reply);
  }

  #run(messages: Uint8Array, reply: Reply): void {
    const chunks: Uint8Array[] = [];
    let gatheredBytes = 0;
    const onRawData = (view: Uint8Array) => {
      this.#isBetweenStatements = endsReady(view);
      chunks.push(view.slice()); // a view of the engine's memory, which it overwrites
      gatheredBytes += view.length;
      if (!this.#isBetweenStatements && gatheredBytes < LARGEST_REPLY_BYTES) return;
      reply(concatenate(chunks, gatheredBytes));
      chunks.length = 0;
      gatheredBytes = 0;
    };
    // It executes before it returns. The promise is for file systems with an explicit sync.
    this.#engine.execProtocolRawStream(messages, { syncToFs: false, onRawData }).catch(this.#failed.reject);
    if (gatheredBytes > 0) reply(concatenate(chunks, gatheredBytes));
  }

  #updateReadOnly(): void {
    const isFull = !this.#hasRoom();
    if (isFull === this.#isReadOnly) return;
    this.#run(queryMessage(`set default_transaction_read_only = ${isFull ? 'on' : 'off'}`), () => {});
    this.#isReadOnly = isFull;
    this.#onDiskChange(isFull, this.#freeBytes());
  }

  /**
   * Refuses the statements of a transaction in the middle of which the disk became full, also its COMMIT, which writes too.
   * PostgreSQL is given a statement that fails, so that it expects nothing but the end of the transaction. A COMMIT that is
   * refused ends it, as one does that fails.
   */
  #refuse(messages: Uint8Array, reply: Reply): void {
    this.#run(queryMessage('select 1 / 0'), () => {});
    const { code, message } = new DiskFullError();
    for (const { type, bytes, rest } of messagesIn(messages)) {
      const text = type === 'Q' ? textOf(bytes) : '';
      if (text === 'commit' || text === 'rollback') {
        this.#run(queryMessage('rollback'), text === 'rollback' ? reply : () => {});
        if (text === 'commit') {
          reply(errorMessage(code, message));
          reply(READY.slice());
        }
        if (rest.length > 0) this.execute(rest, reply);
        return;
      }
      if (!this.#isRefused && type !== 'S') reply(errorMessage(code, message));
      this.#isRefused = type !== 'Q' && type !== 'S';
      if (!this.#isRefused) reply(READY_IN_FAILED_TRANSACTION.slice());
    }
  }

  #hasRoom(): boolean {
    return this.#freeBytes() >= RESERVE_BYTES;
  }
}

/** Is called with whether the disk is full from now on. */
export type DiskChange = (isFull: boolean, freeBytes: number) => void;

type Reply = (bytes: Uint8Array<ArrayBuffer>) => void;

function concatenate(chunks: readonly Uint8Array[], lengthBytes: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(lengthBytes);
  let offset = 0;
  for (const chunk of chunks) {
    all.set(chunk, offset);
    offset += chunk.length;
  }
  return all;
}

const TERMINATE = 'X'.charCodeAt(0);
const LARGEST_REPLY_BYTES = 64 * 2 ** 10; // more is passed on in parts

/** Too little disk space for writing. It has PostgreSQL's code, which PostgreSQL itself would throw a little later. */
export class DiskFullError extends Error {
  override readonly name = 'DiskFullError';
  readonly code = '53100';

  constructor() {
    super('The disk of the database is full.');
  }
}

/** Two WAL segments, which PostgreSQL allocates in full before it writes to them, and what is written between two checks. */
export const RESERVE_BYTES = 48 * 2 ** 20;
