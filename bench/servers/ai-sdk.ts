import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { pipeUIMessageStreamToResponse, streamText, toUIMessageStream } from 'ai';
import { MODEL } from '../run.ts';
import { serveParent } from './listen.ts';

/** What a chat server over HTTP does that is put together as the documentation of the AI SDK says. */
const [providerUrl = ''] = process.argv.slice(2);
const provider = createOpenAICompatible({ name: 'bench', baseURL: providerUrl, apiKey: 'sk-bench' });
const server = createServer(async (request, response) => {
  const { stream } = streamText({ model: provider(MODEL), prompt: await text(request) });
  await pipeUIMessageStreamToResponse({ response, stream: toUIMessageStream({ stream }) });
});
serveParent(server);
