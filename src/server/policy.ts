// What connections may cost, in one place. Limits of documents are in `execution/document-limits.ts` and `execution/cost.ts`,
// limits of attempts in `accounts/attempt-limits.ts`.

// HTTP

/** An email and two passwords. */
export const MAX_ACCOUNT_REQUEST_BYTES = 64 * 1024;
export const MAX_HEADER_BYTES = 16 * 1024;
/** Nobody honest needs this long to send the headers of a request, nor this long for the rest. */
export const HEADERS_TIMEOUT_MS = 10_000;
export const REQUEST_TIMEOUT_MS = 60_000;
/** How often the two are looked at. Node does so every 30 seconds, which would make 10 of them 40. */
export const TIMEOUT_CHECK_MS = 1_000;

// WebSocket

/** A message of 256 KiB with its JSON escapes. */
export const MAX_MESSAGE_BYTES = 512 * 1024;
/** All that a client may send until it is known who it is: `connection_init` with a token, and some pings. */
export const MAX_BYTES_BEFORE_READY = 32 * 1024;
/** Two final messages of the longest answer. Who has more than this waiting reads nothing but goes on asking. */
export const MAX_BUFFERED_BYTES = 32 * 1024 * 1024;
export const MAX_FRAGMENTS = 64;
/** A tiny piece of a message costs far more memory than it has bytes. */
export const MAX_BUFFERED_CHUNKS = 1_024;
/** From one network address, until they have said who they are: which takes a moment, however many come after a restart. */
export const MAX_UNIDENTIFIED_SOCKETS = 100;
export const MAX_OPERATIONS_PER_SOCKET = 50;
export const READY_TIMEOUT_MS = 3_000;
/** A client that does not answer a ping until the next one is gone. */
export const PING_EVERY_MS = 12_000;

// The end

/** How long a client may take to answer the close frame, and a request in flight to be answered at shutdown. */
export const CLOSE_TIMEOUT_MS = 2_000;
