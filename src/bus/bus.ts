import type { AnswerErrorCode } from '../answer-error.ts';

/**
 * What the servers of one database tell each other. It is only the fast path: whatever is lost on it is found in the database a
 * little later, so nothing on it is confirmed, repeated or kept, and none of it is a secret.
 */
export interface Bus {
  /** Whether others can be reached, as far as is known. */
  readonly isUp: boolean;
  /** Makes known under which id this server is reached from now on. */
  setServerId(serverId: string): void;
  /** Calls the listener from now on, for the events that it has a method for. */
  listen(listener: Partial<BusListener>): void;
  /** Tells all other servers that these ids have changed, after the commit. Returns at once. */
  announce(topic: string, ids: readonly string[]): void;
  /** Sends a record to one server, together with others that are sent within the same few milliseconds. Returns at once. */
  send(serverId: string, record: BusRecord): void;
  close(): Promise<void>;
}

export interface BusListener {
  /** Another server announced that these ids have changed. */
  onAnnounced(topic: string, ids: readonly string[]): void;
  /** A record for this server. */
  onRecord(from: string, record: BusRecord): void;
  /** Something may have been lost: changes are to be looked for. */
  onGap(): void;
}

/**
 * A record between two servers, one of which writes an answer (its writer) while people at the other follow it. Offsets are
 * lengths in UTF-16 code units, `T` is the text of an answer, `R` its reasoning. A kind that a server does not know is ignored,
 * since a newer one may send it.
 */
export type BusRecord =
  /** To the writer: send me the answer from these offsets on. A repetition replaces the offsets. */
  | ['follow', answerId: string, text: number, reasoning: number]
  /** To the writer, every second: so much of these answers has arrived. It also keeps the follower known. */
  | ['ack', places: Place[]]
  /** To the writer: the answer has no reader on this server any more. */
  | ['leave', answerId: string]
  /** A piece of the text at its offset. */
  | ['frame', answerId: string, part: 'T' | 'R', offset: number, text: string]
  /** The provider call is repeated at `retryAt`, in ISO 8601. `apiKeyId` is the key that failed. */
  | [
      'retrying',
      answerId: string,
      attempt: number,
      retryAt: string,
      code: AnswerErrorCode,
      provider: string,
      apiKeyId?: string | null,
      isOtherKey?: boolean,
    ]
  /** From the writer, every second: so much of these answers has been sent to you. */
  | ['beat', places: Place[]]
  /** From the writer, after the commit: the answer has ended, or is not written here. */
  | ['ended', answerId: string]
  /** To the writer: a person asked that the answer be stopped; the row says so. */
  | ['stop', answerId: string]
  /** The receiver's lease under this id was ended: it is to stop the provider calls of the answers it began under it. */
  | ['taken', serverId: string];

/** An answer and lengths of its two texts. */
export type Place = [answerId: string, text: number, reasoning: number];
