import { WebSocket } from 'ws';

interface Incoming {
  type: 'connection_ack' | 'next' | 'error' | 'complete' | 'ping' | 'pong';
  id?: string;
  payload?: { data?: Record<string, unknown>; errors?: unknown };
}

interface Operation {
  /** Gets the value of the operation's only field. */
  onResult(result: never): void;
  onFailure(reason: string): void;
  onComplete(): void;
}

/** A client of the protocol graphql-transport-ws that costs little. */
export class GraphqlSocket {
  readonly #socket: WebSocket;
  readonly #operations = new Map<string, Operation>();
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Connects and signs in. */
  static async open(url: string, person?: { token: string; address: string }): Promise<GraphqlSocket> {
    const socket = new WebSocket(url.replace(/^http/, 'ws'), 'graphql-transport-ws', {
      perMessageDeflate: false,
      ...(person !== undefined && { localAddress: person.address }),
    });
    const client = new GraphqlSocket(socket);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const payload = person === undefined ? {} : { authorization: `Bearer ${person.token}` };
    socket.on('open', () => client.#send({ type: 'connection_init', payload }));
    socket.on('error', (error) => reject(error));
    socket.on('close', (code) => {
      const reason = `its socket closed with code ${code}`;
      reject(new Error(reason));
      for (const operation of client.#operations.values()) operation.onFailure(reason);
    });
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as Incoming;
      if (message.type === 'connection_ack') resolve();
      else client.#receive(message);
    });
    await promise;
    return client;
  }

  /** Runs a query or mutation with one field. Resolves with the data. */
  request<Data>(query: string, variables: object): Promise<Data> {
    const { promise, resolve, reject } = Promise.withResolvers<Data>();
    let data: Data | undefined;
    this.#begin(query, variables, {
      onResult: (result: Data) => {
        data = result;
      },
      onFailure: (reason) => reject(new Error(reason)),
      onComplete: () => (data === undefined ? reject(new Error('no data came')) : resolve(data)),
    });
    return promise;
  }

  /** Begins a subscription. */
  subscribe<Data>(
    query: string,
    variables: object,
    listener: { onData(data: Data): void; onFailure(reason: string): void; onComplete?: () => void },
  ): void {
    this.#begin(query, variables, {
      onResult: listener.onData,
      onFailure: listener.onFailure,
      onComplete: listener.onComplete ?? (() => {}),
    });
  }

  /** Stops reading from the network, as a client that hangs does. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Closes without a word to the subscriptions, whose events come no more. */
  close(): void {
    this.#operations.clear();
    this.#socket.close(1_000);
  }

  #begin(query: string, variables: object, operation: Operation): void {
    this.#lastId += 1;
    const id = String(this.#lastId);
    this.#operations.set(id, operation);
    this.#send({ id, type: 'subscribe', payload: { query, variables } });
  }

  #send(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }

  #receive({ type, id = '', payload }: Incoming): void {
    if (type === 'ping') this.#send({ type: 'pong' });
    const operation = this.#operations.get(id);
    if (operation === undefined) return;
    if (type === 'next' && payload?.errors === undefined) {
      operation.onResult(payload?.data as never);
      return;
    }
    this.#operations.delete(id);
    if (type === 'complete') operation.onComplete();
    else operation.onFailure(JSON.stringify(payload));
  }
}
