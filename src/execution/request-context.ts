import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DocumentNode } from 'graphql';
import type { Viewer } from '../accounts/session.ts';
import type { Context } from '../graphql/context.ts';
import type { Place } from './unread-bytes.ts';

/** What is known of an operation before it has a context for resolvers. */
export interface RequestContext {
  /** Undefined for an operation on a socket. */
  req?: IncomingMessage;
  res?: ServerResponse;
  /** Who sends it; null for nobody. Found out before anything is parsed. */
  viewer?: Viewer | null;
  /** What its sender's limits are counted by: the id of the viewer, else the network address. */
  subject: string;
  /** Where what is sent is counted until it is read. */
  place?: Place;
  /** Put here when it was parsed. */
  document?: DocumentNode;
}

/** What an operation has when it is executed. */
export type OperationContext = RequestContext & Context;
