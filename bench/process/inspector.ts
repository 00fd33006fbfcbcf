import { WebSocket } from 'ws';

/** Makes a process collect its garbage, over the protocol of its inspector. Resolves with the bytes of heap that are used. */
export async function collectGarbage(inspectorUrl: string): Promise<number> {
  const socket = new WebSocket(inspectorUrl);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  try {
    await send(socket, 1, 'HeapProfiler.collectGarbage');
    await send(socket, 2, 'HeapProfiler.collectGarbage'); // what finalizers of the first time have let go
    const { usedSize } = await send<{ usedSize: number }>(socket, 3, 'Runtime.getHeapUsage');
    return usedSize;
  } finally {
    socket.close();
  }
}

function send<Result>(socket: WebSocket, id: number, method: string): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  socket.on('message', (data) => {
    const reply = JSON.parse(String(data)) as { id?: number; result?: Result; error?: { message: string } };
    if (reply.id !== id) return;
    if (reply.result === undefined) reject(new Error(`${method}: ${reply.error?.message}`));
    else resolve(reply.result);
  });
  socket.send(JSON.stringify({ id, method }));
  return promise;
}
