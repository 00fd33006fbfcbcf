import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';

/**
 * The connector of one pool, which can also connect before there is a request: the next connection that the pool asks for is
 * then that one. At most one waits, and not for long.
 */
export class SpareConnection {
  readonly #connect: buildConnector.connector;
  #spare: Promise<Dialled> | null = null;
  #isClosed = false;

  constructor(connect: buildConnector.connector) {
    this.#connect = connect;
  }

  /**
   * Gives the pool the spare connection, or a new one if there is none or it did not last. One that is still being made is waited
   * for, and its failure is that of the request: to dial again would take as long once more.
   */
  readonly take: buildConnector.connector = (target, callback) => {
    if (this.#spare === null) return this.#connect(target, callback);
    const spare = this.#spare;
    this.#spare = null;
    void spare.then((dialled) => {
      const [, socket] = dialled;
      if (socket?.readable === false) return this.#connect(target, callback);
      if (socket !== null) leaveAlone(socket);
      callback(...dialled);
    });
  };

  /** Connects to the host of a URL, unless a connection waits already. A failure is left for the request that follows. */
  open(url: URL): void {
    if (this.#spare !== null || this.#isClosed) return;
    const { promise: spare, resolve } = Promise.withResolvers<Dialled>();
    this.#spare = spare;
    const forget = () => {
      if (this.#spare === spare) this.#spare = null;
    };
    this.#connect(targetOf(url), (error, socket) => {
      if (error !== null) {
        forget();
        return resolve([error, null]);
      }
      // No request was sent, so whatever the server says now is an error, or meant to be taken for a later answer.
      socket.once('close', forget).on('data', destroy).setTimeout(KEPT_FOR_MS, destroy);
      resolve([null, socket]);
    });
  }

  /** Ends the connection that waits. */
  close(): void {
    this.#isClosed = true;
    const spare = this.#spare;
    this.#spare = null;
    void spare?.then(([, socket]) => socket?.destroy());
  }
}

type Dialled = [error: Error, socket: null] | [error: null, socket: Socket];

function destroy(this: Socket): void {
  this.destroy();
}

/** Undoes what was done to keep it, so that its new owner finds a socket as if it had just connected. */
function leaveAlone(socket: Socket): void {
  socket.off('data', destroy).setTimeout(0, destroy).pause();
}

function targetOf(url: URL): buildConnector.Options {
  // A URL writes IPv6 addresses in brackets, which are not part of the address.
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  return { hostname, host: url.host, protocol: url.protocol, port: url.port };
}

// As long as someone may need to write a question; servers often close a silent connection sooner.
const KEPT_FOR_MS = 60_000;
