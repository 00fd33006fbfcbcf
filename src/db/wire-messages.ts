/** Messages of PostgreSQL's wire protocol: one byte for the type, four for the length without that byte, and the content. */

/** A statement without parameters, by the simple protocol. */
export function queryMessage(text: string): Uint8Array<ArrayBuffer> {
  return message('Q', `${text}\0`);
}

/** An error that ends a statement. */
export function errorMessage(sqlState: string, text: string): Uint8Array<ArrayBuffer> {
  return message('E', `SERROR\0VERROR\0C${sqlState}\0M${text}\0\0`);
}

/** Whether these bytes end with the message that the next statement may come. */
export function endsReady(bytes: Uint8Array): boolean {
  const start = bytes.length - READY_IN_FAILED_TRANSACTION.length;
  // All of it except the last byte, which is the state of the transaction.
  return (
    start >= 0 &&
    READY_IN_FAILED_TRANSACTION.subarray(0, -1).every((byte, index) => byte === bytes[start + index])
  );
}

/** The messages that these bytes consist of, which begin and end with whole ones. */
export function* messagesIn(
  bytes: Uint8Array,
): Generator<{ type: string; bytes: Uint8Array; rest: Uint8Array }> {
  for (let start = 0; start < bytes.length; ) {
    const end = start + 1 + new DataView(bytes.buffer, bytes.byteOffset + start + 1).getUint32(0);
    yield {
      type: String.fromCharCode(bytes[start] ?? 0),
      bytes: bytes.subarray(start, end),
      rest: bytes.subarray(end),
    };
    start = end;
  }
}

/** The text of a statement that came by the simple protocol. */
export function textOf(query: Uint8Array): string {
  return new TextDecoder().decode(query.subarray(HEADER_BYTES, -1));
}

function message(type: string, content: string): Uint8Array<ArrayBuffer> {
  const encoded = new TextEncoder().encode(content);
  const bytes = new Uint8Array(HEADER_BYTES + encoded.length);
  bytes[0] = type.charCodeAt(0);
  new DataView(bytes.buffer).setUint32(1, HEADER_BYTES - 1 + encoded.length);
  bytes.set(encoded, HEADER_BYTES);
  return bytes;
}

const HEADER_BYTES = 5;

/** Says that the next statement may come, outside of a transaction. */
export const READY = message('Z', 'I');

/** Says that the next statement may come, in a transaction that failed. */
export const READY_IN_FAILED_TRANSACTION = message('Z', 'E');
