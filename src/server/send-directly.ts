import type { ExecutionResult } from 'graphql-ws';
import type { WebSocket } from 'ws';

/**
 * Sends the results of a subscription as they come, while the socket takes them at once. What is left to the caller, who
 * waits until the socket has taken it, is a result with errors and any result for a socket that has not kept up: so a slow
 * reader still gets fewer and longer pieces, and nothing queues.
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
