import { connect } from 'node:net';

/** What comes back for these bytes until the server hangs up; nothing more than that is sent. */
export async function answerToBytes(url: string, bytes: string | Uint8Array): Promise<string> {
  const socket = connect(Number(new URL(url).port));
  socket.setEncoding('latin1').end(bytes);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

/** The code with which the server closes a socket on which these bytes come after the handshake; null without a code. */
export async function closeCodeAfterBytes(
  url: string,
  bytes: Uint8Array,
  protocol = 'graphql-transport-ws',
): Promise<number | null> {
  const socket = connect(Number(new URL(url).port));
  const handshake = [
    'GET /graphql HTTP/1.1',
    'Host: x',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`,
    `Sec-WebSocket-Protocol: ${protocol}`,
  ];
  socket.write(`${handshake.join('\r\n')}\r\n\r\n`);
  socket.write(bytes);
  let answer = Buffer.alloc(0);
  for await (const chunk of socket) {
    answer = Buffer.concat([answer, chunk]);
    const head = answer.indexOf('\r\n\r\n');
    // Leaving the loop hangs up, without which the server would wait for the other close frame.
    if (answer[head + 4] === CLOSE_FRAME && answer.length >= head + 8) return answer.readUInt16BE(head + 6);
  }
  return null;
}

/** Final, and of the kind that closes. */
const CLOSE_FRAME = 0x88;
