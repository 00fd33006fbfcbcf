import { addAbortListener } from 'node:events';
import { createReadStream } from 'node:fs';
import { SIGNATURE_BYTES } from './picture-signature.ts';
import { ReadingFailedError } from './reading-failed.ts';

/** The bytes of a file on their way from where it is kept to a child process, which gets exactly as many as were promised. */
export class FileContent {
  readonly sizeBytes: number;
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #first: Uint8Array[] = [];
  #failure: Error | null = null;
  #isSent = false;

  constructor(bytes: string | AsyncIterable<Uint8Array>, sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    const source = typeof bytes === 'string' ? readPath(bytes) : bytes;
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Why the source failed; null if it did not. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** Whether all bytes were passed on. */
  get isSent(): boolean {
    return this.#isSent;
  }

  /**
   * The first bytes, which `chunks` brings again. Throws what the source throws, or the signal's reason: a source may be at a
   * read that never ends.
   */
  async start(signal: AbortSignal): Promise<Uint8Array> {
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    using _listener = addAbortListener(signal, () => reject(signal.reason));
    return await Promise.race([this.#readStart(), aborted]);
  }

  /** All bytes. Ends early and sets `failure` if the source fails or has another length. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    let length = 0;
    try {
      for await (const chunk of this.#all()) {
        length += chunk.length;
        if (length > this.sizeBytes) throw new ReadingFailedError('WRONG_LENGTH');
        yield chunk;
      }
      if (length < this.sizeBytes) throw new ReadingFailedError('WRONG_LENGTH');
      this.#isSent = true;
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      throw error;
    }
  }

  /** Lets go of the source. It is not waited for, as it may be at a read that never ends. */
  close(): void {
    Promise.resolve(this.#source.return?.()).catch(() => {});
  }

  async #readStart(): Promise<Uint8Array> {
    let length = 0;
    while (length < SIGNATURE_BYTES) {
      const { done, value } = await this.#source.next();
      if (done) break;
      this.#first.push(value);
      length += value.length;
    }
    return Buffer.concat(this.#first).subarray(0, SIGNATURE_BYTES);
  }

  async *#all(): AsyncGenerator<Uint8Array> {
    yield* this.#first;
    for (;;) {
      const { done, value } = await this.#source.next();
      if (done) return;
      yield value;
    }
  }
}

/** Opens the file with the first read, so that nothing is open that is never read. */
async function* readPath(path: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path);
}
