import type { IncomingMessage } from 'node:http';
import { createYoga, type Plugin } from 'graphql-yoga';
import type { Sessions, Viewer } from '../accounts/session.ts';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import { createContext } from '../graphql/context.ts';
import { parseWithinLimits } from '../graphql/limits.ts';
import { maskError } from '../graphql/mask-error.ts';
import { schema } from '../graphql/schema.ts';
import { viewerOfRequest } from './viewer.ts';

export type Yoga = ReturnType<typeof createGraphQL>;

/**
 * Runs operations for HTTP, server-sent events and sockets alike, so that limits, masking and context cannot differ
 * between them. What Yoga does by default and a browser could be abused for is off: every origin with credentials,
 * multipart bodies, stack traces in development.
 */
export function createGraphQL(app: App, sessions: Sessions, config: Config) {
  return createYoga<{ req?: IncomingMessage; viewer?: Viewer | null }>({
    schema,
    graphqlEndpoint: '/graphql',
    logging: false,
    landingPage: false,
    multipart: false,
    batching: false,
    cors: { origin: [...config.allowedOrigins], credentials: true },
    maskedErrors: { isDev: false, maskError },
    graphiql: false, // its page would be nine megabytes of script in one document; see graphiql.ts
    plugins: [limitsPlugin],
    async context({ req, viewer }) {
      if (viewer !== undefined || req === undefined) return createContext(app, viewer ?? null);
      return createContext(app, await viewerOfRequest(sessions, req, config.trustedProxies));
    },
  });
}

const limitsPlugin: Plugin = {
  onParse({ params, setParsedDocument }) {
    setParsedDocument(parseWithinLimits(String(params.source)));
  },
  onValidate() {
    return ({ result, setResult }) => setResult(result.map(maskError));
  },
};
