import { dataFrame, freshId, nowSeconds, padding } from './frame.ts';
import { asObject, type JsonObject } from './json.ts';
import type { ChatFlavour } from './openai-chat.ts';
import { writtenTokens } from './openai-rules.ts';

/** OpenAI's own chat completions: padded events, reasoning counted and never shown. */
export function openaiFlavour(model: string, body: JsonObject): ChatFlavour {
  const id = freshId('chatcmpl-');
  const created = nowSeconds();
  const streamOptions = asObject(body.stream_options);
  const tellsUsage = streamOptions?.include_usage === true;
  const pads = streamOptions?.include_obfuscation !== false;
  let chunkCount = 0;
  return {
    envelope: (object, choices, usage) => ({
      id,
      object,
      created,
      model,
      service_tier: 'default',
      system_fingerprint: 'fp_5117a7ed00',
      choices,
      ...(usage ? { usage } : tellsUsage ? { usage: null } : {}),
      ...(object === 'chat.completion.chunk' && pads ? { obfuscation: padding(chunkCount++) } : {}),
    }),
    choice: (delta, finishReason) => ({ index: 0, delta, logprobs: null, finish_reason: finishReason }),
    openingDelta: { role: 'assistant', content: '', refusal: null },
    reasoningDelta: () => null,
    sourcesDelta: (sources) => ({
      annotations: sources.map(({ url, title, startOffset, endOffset }) => ({
        type: 'url_citation',
        url_citation: { url, title, start_index: startOffset, end_index: endOffset },
      })),
    }),
    usage: (tokens) => ({
      prompt_tokens: tokens.input,
      completion_tokens: tokens.text + tokens.reasoning,
      total_tokens: tokens.input + tokens.text + tokens.reasoning,
      prompt_tokens_details: {
        cached_tokens: tokens.cached,
        audio_tokens: 0,
        ...writtenTokens(model, tokens),
      },
      completion_tokens_details: {
        reasoning_tokens: tokens.reasoning,
        audio_tokens: 0,
        accepted_prediction_tokens: 0,
        rejected_prediction_tokens: 0,
      },
    }),
    usageRidesOn: tellsUsage ? 'own-event' : 'nothing',
    keepalive: [],
    failure: () => [
      dataFrame({
        error: {
          message: 'The server had an error while processing your request. Sorry about that!',
          type: 'server_error',
          param: null,
          code: null,
        },
      }),
    ],
  };
}
