import type { IncomingMessage } from 'node:http';
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Viewer } from '../accounts/session.ts';
import { maskError } from '../graphql/mask-error.ts';
import type { ServerContext } from './graphql.ts';
import type { PersonLimits } from './person-limits.ts';

/**
 * Finds out who sends a request, and whether they may send one now, before anything of it is parsed. A token that opens nothing
 * is refused: as nobody, its sender would be answered with nulls and take them for the data. A cookie is not, since a page
 * cannot take an old one away and has to read what a signed-out person may.
 */
export function identifyViewer(
  limits: PersonLimits,
  viewerOf: (request: IncomingMessage) => Promise<Viewer | null>,
  addressOf: (request: IncomingMessage) => string,
): Plugin<ServerContext, ServerContext> {
  return {
    async onParams({ context, setResult }) {
      const { req } = context;
      if (req === undefined) return;
      try {
        context.viewer = await viewerOf(req);
        context.subject = context.viewer?.id ?? `address ${addressOf(req)}`;
        limits.takeOperation(context.subject);
        if (context.viewer === null && req.headers.authorization !== undefined) throw tokenRefused();
        context.place?.belongsTo(context.subject);
      } catch (error) {
        setResult({ errors: [maskError(error)] });
      }
    },
  };
}

function tokenRefused(): GraphQLError {
  return new GraphQLError(
    'The token in the Authorization header is not valid, or its session has ended. Sign in again.',
    { extensions: { code: 'UNAUTHENTICATED', http: { status: 401, spec: true } } },
  );
}
