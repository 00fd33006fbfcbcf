import type { IncomingMessage } from 'node:http';
import type { ExecutionArgs, GraphQLError, GraphQLFormattedError } from 'graphql';
import type { SubscribePayload } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { Viewer } from '../accounts/session.ts';
import { maskError } from '../graphql/mask-error.ts';
import type { Yoga } from './graphql.ts';
import { type Shares, subscribeInTurn } from './run-operation.ts';
import type { Place } from './unread-bytes.ts';

/** What is known of a socket besides the protocol's own state. */
export interface SocketExtra {
  socket: WebSocket;
  /** The handshake. */
  request: IncomingMessage;
  requestId: string;
  /** From `connectionParams`; the handshake's own header or cookie is used without it. */
  authorization?: string | undefined;
  /** Called when it is known who it is. */
  onIdentified(): void;
  /** Who was let in. */
  viewer?: Viewer;
  /** Where what is sent is counted until it is read. */
  place?: Place;
}

/**
 * Makes what runs an operation out of what a client sent over a socket, or the errors to send instead. Never rejects: for
 * graphql-ws that would be a reason to close the socket with everything else on it.
 */
export async function prepareOperation(
  yoga: Yoga,
  viewer: Viewer,
  params: SubscribePayload,
  place: Place | undefined,
): Promise<ExecutionArgs | readonly GraphQLError[]> {
  try {
    const subject = viewer.id;
    const { schema, execute, contextFactory, parse, validate } = yoga.getEnveloped({
      viewer,
      subject,
      place,
      params,
    });
    const document = parse(params.query);
    const errors = validate(schema, document);
    if (errors.length > 0) return errors;
    return {
      schema,
      document,
      operationName: params.operationName,
      variableValues: params.variables,
      contextValue: await contextFactory(),
      rootValue: { execute },
    };
  } catch (error) {
    return [maskError(error)];
  }
}

/** Runs a query or mutation as Yoga prepared it. Never rejects either. */
export async function executeOperation(args: ExecutionArgs) {
  try {
    return await (args.rootValue as Pick<ReturnType<Yoga['getEnveloped']>, 'execute'>).execute(args);
  } catch (error) {
    return { errors: [maskError(error)] };
  }
}

/** Begins a subscription. Yoga is left out: it would wrap every single event. Never rejects either. */
export async function subscribeOperation(shares: Shares, args: ExecutionArgs) {
  try {
    return await subscribeInTurn(shares, { ...args, rootValue: undefined });
  } catch (error) {
    return { errors: [maskError(error)] };
  }
}

/** An error as a socket sends it: masked, whoever made it, and without the status that it would have over HTTP. */
export function formatError(error: GraphQLError): GraphQLFormattedError {
  const masked = maskError(error);
  const { http: _status, ...extensions } = masked.extensions;
  return { ...masked.toJSON(), extensions };
}
