import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Viewer } from '../accounts/session.ts';
import type { Context } from '../graphql/context.ts';
import type { PreparedDocument } from './prepared-document.ts';
import type { Subscription } from './subscription.ts';
import type { Place } from './unread-bytes.ts';

/** Context of an operation before it has that of the resolvers. */
export interface RequestContext {
  /** Undefined for an operation on a socket. */
  req?: IncomingMessage;
  res?: ServerResponse;
  /** The viewer, read before anything is parsed; null without a session. */
  viewer?: Viewer | null;
  /** Key of the sender's limits: the id of the viewer, else the network address. */
  subject: string;
  /** Counts bytes that were sent and not read yet. */
  place?: Place;
  /** Set when it was parsed. */
  prepared?: PreparedDocument;
  /** Set when it has begun. */
  subscription?: Subscription;
}

/** Context of an operation when it is executed. */
export type OperationContext = RequestContext & Context;
