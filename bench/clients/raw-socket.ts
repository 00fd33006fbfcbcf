import { WebSocket } from 'ws';
import type { RawFrame, RawRequest } from '../servers/raw-protocol.ts';

/** A socket to the contender that is no more than a WebSocket. */
export class RawSocket {
  readonly #socket: WebSocket;
  #isClosed = false;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async open(
    url: string,
    listener: { onFrame(frame: RawFrame): void; onFailure(reason: string): void },
  ): Promise<RawSocket> {
    const socket = new WebSocket(url.replace(/^http/, 'ws'), { perMessageDeflate: false });
    const client = new RawSocket(socket);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.on('open', resolve);
    socket.on('error', reject);
    socket.on('close', () => {
      if (!client.#isClosed) listener.onFailure('lost its socket');
    });
    socket.on('message', (data) => {
      if (!client.#isClosed) listener.onFrame(JSON.parse(String(data)) as RawFrame);
    });
    await promise;
    return client;
  }

  send(request: RawRequest): void {
    this.#socket.send(JSON.stringify(request));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.close();
  }
}
