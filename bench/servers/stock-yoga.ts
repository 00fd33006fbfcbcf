import { createServer } from 'node:http';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { useServer } from 'graphql-ws/use/ws';
import { createSchema, createYoga } from 'graphql-yoga';
import { WebSocketServer } from 'ws';
import { chatRequest, MODEL } from '../run.ts';
import { serveParent } from './listen.ts';

/** What a GraphQL server does that is put together as the documentation of Yoga and graphql-ws says. */
const [providerUrl = ''] = process.argv.slice(2);
const schema = createSchema({
  typeDefs: /* GraphQL */ `
    type Query {
      isRunning: Boolean!
    }
    type Subscription {
      answer(prompt: String!): Delta!
    }
    type Delta {
      offset: Int!
      text: String!
    }
  `,
  resolvers: {
    Query: { isRunning: () => true },
    Subscription: {
      answer: { subscribe: (_: unknown, { prompt }: { prompt: string }) => streamAnswer(prompt) },
    },
  },
});

async function* streamAnswer(prompt: string): AsyncGenerator<{ answer: { offset: number; text: string } }> {
  const response = await fetch(`${providerUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: chatRequest(prompt, MODEL),
  });
  if (response.body === null) throw new Error('the provider sent no body');
  let offset = 0;
  const events = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream());
  for await (const { data } of events) {
    if (data === '[DONE]') return;
    const { choices } = JSON.parse(data) as { choices: { delta: { content?: string } }[] };
    const text = choices[0]?.delta.content;
    if (!text) continue;
    yield { answer: { offset, text } };
    offset += text.length;
  }
}

type Enveloped = Pick<ReturnType<typeof yoga.getEnveloped>, 'execute' | 'subscribe'>;
type Args = { rootValue: Enveloped };

const yoga = createYoga({ schema, logging: false });
const server = createServer(yoga);
useServer(
  {
    execute: (args) => (args as unknown as Args).rootValue.execute(args),
    subscribe: (args) => (args as unknown as Args).rootValue.subscribe(args),
    async onSubscribe(context, _id, params) {
      const enveloped = yoga.getEnveloped({
        ...context,
        req: context.extra.request,
        socket: context.extra.socket,
        params,
      });
      const args = {
        schema: enveloped.schema,
        operationName: params.operationName,
        document: enveloped.parse(params.query),
        variableValues: params.variables,
        contextValue: await enveloped.contextFactory(),
        rootValue: { execute: enveloped.execute, subscribe: enveloped.subscribe },
      };
      const errors = enveloped.validate(args.schema, args.document);
      return errors.length > 0 ? errors : args;
    },
  },
  new WebSocketServer({ server, path: yoga.graphqlEndpoint }),
);
serveParent(server);
