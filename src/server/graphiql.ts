import { renderGraphiQL } from '@graphql-yoga/render-graphiql';
import type { Config } from '../config.ts';

/** The page for exploring the API, with everything it needs on this server; nothing at all when it is switched off. */
export function graphiqlOptions(config: Config) {
  if (!config.graphiql) return { graphiql: false };
  return {
    renderGraphiQL,
    graphiql: {
      title: 'Latchkey',
      credentials: 'include' as const,
      subscriptionsProtocol: 'WS' as const,
      // Requests that rest on the session cookie need it; see `rejectsCookie`.
      additionalHeaders: { 'x-latchkey-csrf': '1' },
    },
  };
}
