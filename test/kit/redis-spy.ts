import { once } from 'node:events';
import { connect } from 'node:net';

/** Everything that a Redis was asked and everything that was published on it, byte for byte. */
export interface RedisSpy extends Disposable {
  commands(): Buffer;
  published(): Buffer;
}

/** Listens to a Redis with MONITOR and PSUBSCRIBE. */
export async function spyOnRedis(url: string): Promise<RedisSpy> {
  const commands = await listen(url, 'MONITOR\r\n');
  const published = await listen(url, 'PSUBSCRIBE *\r\n');
  return {
    commands: commands.heard,
    published: published.heard,
    [Symbol.dispose]() {
      commands.socket.destroy();
      published.socket.destroy();
    },
  };
}

async function listen(url: string, command: string) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece)).on('error', () => {});
  socket.write(command);
  await once(socket, 'data');
  return { socket, heard: () => Buffer.concat(pieces) };
}
