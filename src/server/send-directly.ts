import type { ExecutionResult } from 'graphql-ws';
import type { WebSocket } from 'ws';

/**
 * Sends the results of a subscription as they come, while the socket has nothing buffered. Yields to graphql-ws only results
 * with errors and results for a socket that has a backlog; graphql-ws waits until the socket has taken each. So a slow reader
 * still gets fewer and longer deltas, and nothing queues.
 */
export function sendDirectly(
  results: AsyncIterable<ExecutionResult>,
  operationId: string,
  socket: WebSocket,
): AsyncIterableIterator<ExecutionResult, undefined> {
  const iterator = results[Symbol.asyncIterator]();
  const head = `{"id":${JSON.stringify(operationId)},"type":"next","payload":`;
  return {
    async next() {
      for (;;) {
        const step = await iterator.next();
        if (step.done === true) return { done: true, value: undefined };
        if (step.value.errors !== undefined || !isKeepingUp(socket)) return step;
        socket.send(`${head}${JSON.stringify(step.value)}}`);
      }
    },
    async return() {
      await iterator.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function isKeepingUp(socket: WebSocket): boolean {
  return socket.readyState === socket.OPEN && socket.bufferedAmount === 0;
}
