import type { IncomingMessage } from 'node:http';
import { createYoga, type Plugin } from 'graphql-yoga';
import { OperatorToken } from '../accounts/operator-token.ts';
import type { Sessions, Viewer } from '../accounts/session.ts';
import type { SessionWatch } from '../accounts/session-watch.ts';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import { createContext } from '../graphql/context.ts';
import { schema as graphqlSchema } from '../graphql/schema.ts';
import { logScope } from '../log.ts';
import { requireAffordable } from './cost.ts';
import { DocumentCache } from './document-cache.ts';
import { endWithResponse, endWithSession, sendEvents } from './event-stream.ts';
import { maskError } from './mask-error.ts';
import { withOperationBudget } from './operation-budget.ts';
import { type PreparedOperation, prepareDocument } from './prepared-document.ts';
import type { RequestContext } from './request-context.ts';
import { type Shares, takeTurns } from './turns.ts';
import { requireFittingVariables } from './variables.ts';
import { addressOf, identifyViewer, isFromOperator, operatorTokenIn, viewerOfRequest } from './viewer.ts';

/** The API, with every field on the operation's budget. */
const schema = withOperationBudget(graphqlSchema);

export type Pipeline = ReturnType<typeof createPipeline>;

/**
 * What happens to one operation, the same for HTTP, server-sent events and sockets, in this order: the viewer and their rate
 * limit (`viewer`), parsing and validation (`prepared-document`, within `document-limits`, once for each text in
 * `document-cache`), variables (`variables`), cost (`cost`), the context for resolvers, the viewer's turn (`turns`), execution
 * (`subscribe` for subscriptions) within a budget (`operation-budget`), and masking of errors (`mask-error`). Defaults of Yoga
 * that a foreign page could abuse in a browser are off: every origin with credentials, multipart bodies, stack traces in
 * development.
 */
export function createPipeline(
  app: App,
  sessions: Sessions,
  config: Config,
  publicUrl: string,
  shares: Shares,
  watch: SessionWatch,
) {
  const operatorToken = new OperatorToken(app.operatorToken, app.createWindow);
  const documents = new DocumentCache((text) => prepareDocument(schema, text));
  return createYoga<RequestContext>({
    schema,
    graphqlEndpoint: '/graphql',
    logging: false,
    landingPage: false,
    multipart: false,
    batching: false,
    cors: false, // an empty list would allow every origin; see origins.ts
    maxRequestBodySize: MAX_OPERATION_BYTES,
    parserAndValidationCache: false, // see document-cache.ts, which knows what a document takes
    maskedErrors: { isDev: false, maskError },
    graphiql: false, // its page would be nine megabytes of script in one document; see graphiql.ts
    plugins: [
      identifyViewer(shares.limits, viewerOf, addressOfRequest),
      takeDocuments(documents),
      headersPlugin,
      takeTurns(shares),
      endWithResponse,
      endWithSession(watch, viewerOf),
      sendEvents,
    ],
    context({ req, viewer, subject, prepared, params }) {
      const operation = prepared?.operation(params.operationName);
      if (operation !== undefined) {
        const variables = params.variables ?? {};
        nameOperation(operation);
        requireFittingVariables(schema, operation, variables);
        const cost = operation.costWith(variables);
        requireAffordable(cost);
        shares.limits.chargeFor(subject, cost);
      }
      const create = (isOperator: boolean) => createContext(app, publicUrl, viewer ?? null, isOperator);
      const given = req === undefined ? undefined : operatorTokenIn(req);
      // Only an operator's request waits for the count of wrong tokens. Others go on without a promise.
      if (req === undefined || given === undefined) return create(false);
      return isFromOperator(given, operatorToken, addressOfRequest(req)).then(create);
    },
  });

  function viewerOf(request: IncomingMessage): Promise<Viewer | null> {
    return viewerOfRequest(sessions, request, config.trustedProxies);
  }
  function addressOfRequest(request: IncomingMessage): string {
    return addressOf(request, config.trustedProxies);
  }
}

/** Takes parsed and validated documents from the cache, also the errors of those that are not valid. */
function takeDocuments(documents: DocumentCache): Plugin<RequestContext> {
  return {
    onParse({ params, setParsedDocument, extendContext }) {
      const prepared = documents.get(String(params.source));
      setParsedDocument(prepared.document);
      extendContext({ prepared });
    },
    onValidate({ context: { prepared }, setResult }) {
      // Masked each time: Yoga writes into the errors of a response.
      if (prepared !== undefined) setResult(prepared.errors.map(maskError));
    },
  };
}

/** Headers for server-sent events: by default they may be cached, and a proxy such as nginx would buffer them to the end. */
const headersPlugin: Plugin = {
  onResponse({ response, setResponse, fetchAPI }) {
    if (response.status === 406) setResponse(new fetchAPI.Response(NOT_ACCEPTABLE, NOT_ACCEPTABLE_INIT));
    response.headers.set('cache-control', 'no-store');
    if (response.headers.get('content-type')?.startsWith('text/event-stream') === true)
      response.headers.set('x-accel-buffering', 'no');
  },
};

/** The error for a subscription over plain HTTP, written for the developer of the client. */
const NOT_ACCEPTABLE = JSON.stringify({
  errors: [
    {
      message:
        'None of the accepted media types can carry this response. Send "accept: application/json" with queries and mutations; ' +
        'follow subscriptions with "accept: text/event-stream", or over WebSocket (graphql-transport-ws) at the same path.',
      extensions: { code: 'BAD_INPUT' },
    },
  ],
});
const NOT_ACCEPTABLE_INIT = {
  status: 406,
  headers: {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    accept: 'application/json, application/graphql-response+json, text/event-stream',
  },
};

function nameOperation({ definition }: PreparedOperation): void {
  const scope = logScope.getStore();
  const name = definition.name?.value;
  if (scope !== undefined && name !== undefined) scope.operation = name.slice(0, MAX_LOGGED_NAME_LENGTH);
}

const MAX_LOGGED_NAME_LENGTH = 100;
/** The longest message is 256 KiB of text, of which JSON makes up to twice as much. */
const MAX_OPERATION_BYTES = 1024 * 1024;
