import { dataFrame, freshId, nowSeconds } from './frame.ts';
import type { AnswerEnd, AnswerFrames, Source, TokenCounts } from './provider.ts';

const INPUT_COST = 0.000_001;
const OUTPUT_COST = 0.000_002;
const SEARCH_COST = 0.005;

/** Writes an answer as Perplexity's Agent API does: sources before the text, data only, and no `[DONE]`. */
export function perplexityFrames(model: string): AnswerFrames {
  const responseId = freshId('resp_');
  const messageId = freshId('msg_');
  const createdAt = nowSeconds();
  const output: object[] = [];
  let sequence = 0;
  let text = '';
  let thought: { block: number; text: string } | null = null;
  let isTextOpen = false;
  let searches = 0;

  const event = (type: string, fields: object = {}) =>
    dataFrame({ type, sequence_number: sequence++, ...fields });
  const response = (status: string, fields: object = {}) => ({
    id: responseId,
    object: 'response',
    created_at: createdAt,
    status,
    model,
    output,
    ...fields,
  });
  // A thought is sent whole, once it is complete.
  const sendThought = () => {
    if (!thought) return [];
    const sent = thought.text;
    thought = null;
    return [event('response.reasoning.started', { thought: sent }), event('response.reasoning.stopped')];
  };
  const textAt = () => ({ item_id: messageId, output_index: output.length, content_index: 0 });
  const message = (status: string, content: object[]) => ({
    id: messageId,
    type: 'message',
    role: 'assistant',
    status,
    content,
  });
  const part = (value: string) => ({ type: 'output_text', text: value, annotations: [] });

  return {
    opening: () => [
      event('response.created', { response: response('in_progress') }),
      event('response.in_progress', { response: response('in_progress') }),
    ],
    keepalive: () => [event('response.keepalive')],
    reasoning: (delta, block) => {
      const frames = thought && thought.block !== block ? sendThought() : [];
      thought = { block, text: (thought?.text ?? '') + delta };
      return frames;
    },
    sources: (sources) => {
      const sent = sendThought();
      if (sources.length === 0) return sent;
      searches += 1;
      const queries = ['a simulated search'];
      const results = sources.map(resultOf);
      const item = { type: 'search_results', queries, results };
      const outputIndex = output.push(item) - 1;
      return [
        ...sent,
        event('response.reasoning.started', { thought: 'I will look this up.' }),
        event('response.reasoning.search_queries', { queries }),
        event('response.reasoning.search_results', { results }),
        event('response.reasoning.stopped'),
        event('response.output_item.added', { item, output_index: outputIndex }),
        event('response.output_item.done', { item, output_index: outputIndex }),
      ];
    },
    text: (delta) => {
      const item = message('in_progress', []);
      const opening = isTextOpen
        ? []
        : [event('response.output_item.added', { item, output_index: output.length })];
      isTextOpen = true;
      text += delta;
      return [...opening, event('response.output_text.delta', { ...textAt(), delta })];
    },
    ending: (end, tokens) => {
      const item = message('completed', [part(text)]);
      const closing = isTextOpen
        ? [
            event('response.output_text.done', { ...textAt(), text }),
            event('response.output_item.done', { item, output_index: output.push(item) - 1 }),
          ]
        : [];
      const status = end === 'stop' ? 'completed' : 'incomplete';
      return [
        ...closing,
        event(`response.${status}`, { response: response(status, endOf(end, tokens, searches)) }),
      ];
    },
    failure: (isFirst) => {
      const error = { message: 'An internal error occurred.', type: 'internal_error', code: 500 };
      if (isFirst) return [dataFrame({ type: 'error', error })];
      return [event('response.failed', { response: response('failed', { error }) })];
    },
    whole: (value, end, tokens) => {
      output.push(message('completed', [part(value)]));
      return response(end === 'stop' ? 'completed' : 'incomplete', endOf(end, tokens, searches));
    },
  };
}

function resultOf({ url, title, snippet }: Source, index: number): object {
  return { id: index + 1, url, title, snippet, date: '2026-11-01', source: 'web' };
}

function endOf(end: AnswerEnd, tokens: TokenCounts, searches: number): object {
  const outputTokens = tokens.text + tokens.reasoning;
  const inputCost = tokens.input * INPUT_COST;
  const outputCost = outputTokens * OUTPUT_COST;
  const searchCost = searches * SEARCH_COST;
  const reason = end === 'length' ? 'max_output_tokens' : 'content_filter';
  return {
    ...(end === 'stop' ? {} : { incomplete_details: { reason } }),
    usage: {
      input_tokens: tokens.input,
      output_tokens: outputTokens,
      total_tokens: tokens.input + outputTokens,
      output_tokens_details: { reasoning_tokens: tokens.reasoning },
      ...(searches > 0 ? { tool_calls_details: { search_web: { invocation: searches } } } : {}),
      cost: {
        currency: 'USD',
        input_cost: inputCost,
        output_cost: outputCost,
        tool_calls_cost: searchCost,
        total_cost: inputCost + outputCost + searchCost,
      },
    },
  };
}
