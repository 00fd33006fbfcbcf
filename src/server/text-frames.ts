import type { Duplex } from 'node:stream';

/**
 * Writes texts as WebSocket frames (RFC 6455 §5.2, final, unmasked) straight to the socket under a connection, all in one system
 * call. `ws` writes a header and a payload each, and every system call costs more than making the frame. Only between whole
 * frames of `ws`: it writes each at once, unless messages are compressed, which they are not here.
 */
export function writeTextFrames(socket: Duplex, texts: readonly string[]): void {
  let end = 0;
  for (const text of texts) {
    const mostBytes = LONGEST_HEADER_BYTES + MOST_BYTES_OF_CODE_UNIT * text.length;
    if (end + mostBytes > buffer.length) {
      writeOut(socket, end);
      end = 0;
    }
    if (mostBytes <= buffer.length) end = putFrame(buffer, end, text);
    else {
      const large = Buffer.allocUnsafeSlow(mostBytes);
      socket.write(large.subarray(0, putFrame(large, 0, text)));
    }
  }
  writeOut(socket, end);
}

/** Shared by all connections: the system has copied it by the time that a write returns, or it is given away. */
let buffer = Buffer.allocUnsafeSlow(64 * 1024);

function writeOut(socket: Duplex, end: number): void {
  if (end === 0) return;
  socket.write(buffer.subarray(0, end));
  if (socket.writableLength > 0) buffer = Buffer.allocUnsafeSlow(buffer.length);
}

/** Puts a frame at this place and returns the place after it. */
function putFrame(target: Buffer, start: number, text: string): number {
  // No text has fewer bytes than code units; one that has more may need a longer header than it seemed.
  const expectedBytes = headerBytes(text.length);
  const bytes = target.write(text, start + expectedBytes);
  const header = headerBytes(bytes);
  if (header > expectedBytes)
    target.copyWithin(start + header, start + expectedBytes, start + expectedBytes + bytes);
  target[start] = FINAL_TEXT;
  if (header === SHORT_HEADER_BYTES) target[start + 1] = bytes;
  else if (header === LONG_HEADER_BYTES) {
    target[start + 1] = LENGTH_IN_2_BYTES;
    target.writeUInt16BE(bytes, start + 2);
  } else {
    target[start + 1] = LENGTH_IN_8_BYTES;
    target.writeBigUInt64BE(BigInt(bytes), start + 2);
  }
  return start + header + bytes;
}

function headerBytes(payloadBytes: number): number {
  if (payloadBytes < LENGTH_IN_2_BYTES) return SHORT_HEADER_BYTES;
  return payloadBytes < 0x1_0000 ? LONG_HEADER_BYTES : LONGEST_HEADER_BYTES;
}

const MOST_BYTES_OF_CODE_UNIT = 3;
const FINAL_TEXT = 0x81;
const LENGTH_IN_2_BYTES = 126;
const LENGTH_IN_8_BYTES = 127;
const SHORT_HEADER_BYTES = 2;
const LONG_HEADER_BYTES = 4;
const LONGEST_HEADER_BYTES = 10;
