import { Duplex } from 'node:stream';
import type { MessagePort } from 'node:worker_threads';

/** A message port as the driver uses a socket. Each message is what one write wrote. */
export class PortSocket extends Duplex {
  readonly #port: MessagePort;

  constructor(port: MessagePort) {
    super();
    this.#port = port;
    port.on('message', (bytes: Uint8Array<ArrayBuffer>) => this.push(Buffer.from(bytes.buffer)));
    port.on('close', () => this.destroy());
  }

  /** The driver says goodbye only to a socket that is open. */
  get readyState(): 'open' | 'closed' {
    return this.destroyed ? 'closed' : 'open';
  }

  override _read(): void {} // replies are no larger than what was asked for, so they need not be held back

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const bytes = new Uint8Array(chunk); // the driver's own memory is shared by several buffers, and cannot be passed on
    this.#port.postMessage(bytes, [bytes.buffer]);
    done();
  }

  override _final(done: () => void): void {
    this.#port.close();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#port.close();
    done(error);
  }
}
