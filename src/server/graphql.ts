import type { IncomingMessage, ServerResponse } from 'node:http';
import { type DocumentNode, getOperationAST } from 'graphql';
import { createYoga, type Plugin } from 'graphql-yoga';
import { OperatorToken } from '../accounts/operator-token.ts';
import type { Sessions, Viewer } from '../accounts/session.ts';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import { createContext } from '../graphql/context.ts';
import { requireAffordable } from '../graphql/cost.ts';
import { parseWithinLimits, validateWithinLimits } from '../graphql/limits.ts';
import { maskError } from '../graphql/mask-error.ts';
import { schema } from '../graphql/schema.ts';
import { requireFittingVariables } from '../graphql/variables.ts';
import { logScope } from '../log.ts';
import { createDocumentCache } from './document-cache.ts';
import { endWithResponse, endWithSession } from './event-stream.ts';
import { isFromOperator } from './operator.ts';
import { MAX_OPERATION_BYTES, MAX_REMEMBERED_LENGTH } from './policy.ts';
import { addressOf, viewerOfRequest } from './viewer.ts';

export type Yoga = ReturnType<typeof createGraphQL>;

export interface ServerContext {
  /** Undefined for an operation on a socket. */
  req?: IncomingMessage;
  res?: ServerResponse;
  /** Who sends it, where that is known already. */
  viewer?: Viewer | null;
  /** Put here when it was parsed. */
  document?: DocumentNode;
}

/**
 * Runs operations for HTTP, server-sent events and sockets alike, so that limits, masking and context cannot differ
 * between them. What Yoga does by default and a browser could be abused for is off: every origin with credentials,
 * multipart bodies, stack traces in development.
 */
export function createGraphQL(app: App, sessions: Sessions, config: Config) {
  const operatorToken = new OperatorToken(app.operatorToken);
  return createYoga<ServerContext>({
    schema,
    graphqlEndpoint: '/graphql',
    logging: false,
    landingPage: false,
    multipart: false,
    batching: false,
    cors: false, // an empty list would mean everybody; see origins.ts
    maxRequestBodySize: MAX_OPERATION_BYTES,
    parserAndValidationCache: { documentCache: createDocumentCache(MAX_REMEMBERED_LENGTH) },
    maskedErrors: { isDev: false, maskError },
    graphiql: false, // its page would be nine megabytes of script in one document; see graphiql.ts
    plugins: [limitsPlugin, uncachedPlugin, endWithResponse, endWithSession(app, viewerOf)],
    async context({ req, viewer, document, params }) {
      if (document !== undefined) {
        nameOperation(document, params.operationName);
        requireFittingVariables(schema, document, params);
        requireAffordable(schema, document, params);
      }
      if (viewer !== undefined || req === undefined) return createContext(app, viewer ?? null);
      const isOperator = isFromOperator(req, operatorToken, addressOf(req, config.trustedProxies));
      return createContext(app, await viewerOf(req), isOperator);
    },
  });

  function viewerOf(request: IncomingMessage): Promise<Viewer | null> {
    return viewerOfRequest(sessions, request, config.trustedProxies);
  }
}

/** What depends on variables is looked at where these are at hand; what is done here may be remembered. */
const limitsPlugin: Plugin<ServerContext> = {
  onParse({ params, setParsedDocument, extendContext }) {
    const document = parseWithinLimits(String(params.source));
    setParsedDocument(document);
    extendContext({ document });
  },
  onValidate({ setValidationFn }) {
    setValidationFn(validateWithinLimits);
    return ({ result, setResult }) => setResult(result.map(maskError));
  },
};

/** Server-sent events would allow themselves to be kept. */
const uncachedPlugin: Plugin = {
  onResponse({ response }) {
    response.headers.set('cache-control', 'no-store');
  },
};

function nameOperation(document: DocumentNode, operationName: string | undefined): void {
  const scope = logScope.getStore();
  const name = getOperationAST(document, operationName)?.name?.value;
  if (scope !== undefined && name !== undefined) scope.operation = name.slice(0, MAX_LOGGED_NAME_LENGTH);
}

const MAX_LOGGED_NAME_LENGTH = 100;
