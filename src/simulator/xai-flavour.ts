import { randomUUID } from 'node:crypto';
import { dataFrame, nowSeconds } from './frame.ts';
import type { ChatFlavour } from './openai-chat.ts';

/** xAI's chat completions: the role rides on the first token, and reasoning is shown and counted apart. */
export function xaiFlavour(model: string): ChatFlavour {
  const id = randomUUID();
  return {
    envelope: (object, choices, usage) => ({
      id,
      object,
      created: nowSeconds(),
      model,
      choices,
      ...(usage ? { usage } : {}),
      system_fingerprint: 'fp_5117a7ed00',
    }),
    // A finish reason that is not yet known is left out here, where others write null.
    choice: (delta, finishReason) => ({
      index: 0,
      delta,
      ...(finishReason ? { finish_reason: finishReason } : {}),
    }),
    openingDelta: null,
    reasoningDelta: (text) => ({ reasoning_content: text }),
    sourcesFields: (sources) => ({ citations: sources.map(({ url }) => url) }),
    usage: (tokens) => ({
      prompt_tokens: tokens.input,
      completion_tokens: tokens.text,
      total_tokens: tokens.input + tokens.text + tokens.reasoning,
      prompt_tokens_details: {
        text_tokens: tokens.input,
        audio_tokens: 0,
        image_tokens: 0,
        cached_tokens: tokens.cached,
      },
      completion_tokens_details: {
        reasoning_tokens: tokens.reasoning,
        audio_tokens: 0,
        accepted_prediction_tokens: 0,
        rejected_prediction_tokens: 0,
      },
      num_sources_used: 0,
      cost_in_usd_ticks: (tokens.input + 2 * (tokens.text + tokens.reasoning)) * 5_000,
    }),
    usageRidesOn: 'own-event',
    keepalive: [],
    failure: () => [
      dataFrame({
        code: 'The service is currently unavailable',
        error: 'The service is temporarily overloaded.',
      }),
    ],
  };
}
