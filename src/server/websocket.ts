import type { Server } from 'node:http';
import { type ExecutionArgs, GraphQLError } from 'graphql';
import { GRAPHQL_TRANSPORT_WS_PROTOCOL } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import type { Sessions, Viewer } from '../accounts/session.ts';
import type { Config } from '../config.ts';
import { maskError } from '../graphql/mask-error.ts';
import type { Yoga } from './graphql.ts';
import { viewerOfRequest } from './viewer.ts';

/**
 * Serves GraphQL over WebSocket at `/graphql`. The person is known from `connectionParams.authorization`, else from the
 * cookie, whose use is limited to allowed origins since browsers send it along for any page. An operation that fails never
 * takes down the socket and the live answers on it. Returns a function that closes all sockets.
 */
export function serveWebSocket(
  server: Server,
  yoga: Yoga,
  sessions: Sessions,
  config: Config & { publicUrl: string },
): () => Promise<void> {
  const origins = new Set([config.publicUrl, ...config.allowedOrigins]);
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    handleProtocols: (protocols) =>
      protocols.has(GRAPHQL_TRANSPORT_WS_PROTOCOL) ? GRAPHQL_TRANSPORT_WS_PROTOCOL : false,
  });
  server.on('upgrade', (request, socket, head) => {
    const { origin } = request.headers;
    const path = request.url?.split('?')[0];
    if (path !== '/graphql' || (origin !== undefined && !origins.has(origin))) {
      socket.end(`HTTP/1.1 ${path === '/graphql' ? '403 Forbidden' : '404 Not Found'}\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) =>
      sockets.emit('connection', webSocket, request),
    );
  });

  const disposable = useServer<{ authorization?: unknown }, { viewer?: Viewer }>(
    {
      execute: (args) => runOf(args).execute(args),
      subscribe: (args) => runOf(args).subscribe(args),
      async onConnect({ extra, connectionParams }) {
        const authorization = connectionParams?.authorization;
        try {
          const viewer = await viewerOfRequest(
            sessions,
            extra.request,
            config.trustedProxies,
            typeof authorization === 'string' ? authorization : undefined,
          );
          if (viewer === null) return false;
          extra.viewer = viewer;
          return true;
        } catch (error) {
          maskError(error);
          // The client tries again after this code, and the database may be back by then.
          extra.socket.close(1013, 'Try again later');
          return false;
        }
      },
      async onSubscribe({ extra, subscriptions }, _id, params) {
        if (Object.keys(subscriptions).length > MAX_SUBSCRIPTIONS) {
          const extensions = { code: 'TOO_MANY_SUBSCRIPTIONS' };
          return [
            new GraphQLError(`A socket carries at most ${MAX_SUBSCRIPTIONS} operations.`, { extensions }),
          ];
        }
        try {
          const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
            viewer: extra.viewer ?? null,
            params,
          });
          const document = parse(params.query);
          const errors = validate(schema, document);
          if (errors.length > 0) return errors.map(maskError);
          return {
            schema,
            document,
            operationName: params.operationName,
            variableValues: params.variables,
            contextValue: await contextFactory(),
            rootValue: { execute, subscribe },
          };
        } catch (error) {
          return [maskError(error)];
        }
      },
    },
    sockets,
  );
  return async () => {
    for (const socket of sockets.clients) socket.close(1012, 'Server is restarting');
    await disposable.dispose();
  };
}

type Run = Pick<ReturnType<Yoga['getEnveloped']>, 'execute' | 'subscribe'>;

/** The functions that Yoga prepared for this operation travel as its root value. */
function runOf(args: ExecutionArgs): Run {
  return args.rootValue as Run;
}

const MAX_MESSAGE_BYTES = 512 * 1024; // a message of 256 KiB with its JSON escapes
const MAX_SUBSCRIPTIONS = 50;
