// Limits of connections. Limits of documents are in `execution/document-limits.ts` and `execution/cost.ts`, limits of attempts
// in `accounts/attempt-limits.ts`.

// HTTP

/** An email and two passwords. */
export const MAX_ACCOUNT_REQUEST_BYTES = 64 * 1024;
export const MAX_HEADER_BYTES = 16 * 1024;
/** Longest times for the headers of a request and for its body, but that of an upload: no honest client needs longer. */
export const HEADERS_TIMEOUT_MS = 10_000;
export const BODY_TIMEOUT_MS = 60_000;
/** Longest time without a byte of an upload: a client that is gone keeps one of few places. */
export const UPLOAD_IDLE_MS = 30_000;
/** How often they are checked. Node's default is every 30 seconds, which would let 10 seconds last 40. */
export const TIMEOUT_CHECK_MS = 1_000;
/** How long the rest of a refused upload is read, until the client has read the answer. */
export const LINGER_MS = 2_000;

// WebSocket

/** A message of 256 KiB with its JSON escapes. */
export const MAX_MESSAGE_BYTES = 512 * 1024;
/** Limit of bytes before a socket is identified: `connection_init` with a token, and some pings. */
export const MAX_BYTES_BEFORE_READY = 32 * 1024;
/** Two final messages of the longest answer. A client with more unread bytes sends operations and reads nothing. */
export const MAX_BUFFERED_BYTES = 32 * 1024 * 1024;
export const MAX_FRAGMENTS = 64;
/** A tiny fragment of a message costs far more memory than it has bytes. */
export const MAX_BUFFERED_CHUNKS = 1_024;
/** Limit for one network address, until they are identified: that takes a moment, also for many at once after a restart. */
export const MAX_UNIDENTIFIED_SOCKETS = 100;
export const MAX_OPERATIONS_PER_SOCKET = 50;
export const READY_TIMEOUT_MS = 3_000;
/** A client that has not answered a ping when the next one is due is disconnected. */
export const PING_EVERY_MS = 12_000;

// Shutdown

/** Longest time for a client to answer the close frame, and for a request in flight to be answered. */
export const CLOSE_TIMEOUT_MS = 2_000;
