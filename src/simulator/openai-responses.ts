import { freshId, nowSeconds, padding, typedFrame } from './frame.ts';
import type { AnswerEnd, AnswerFrames, Source, TokenCounts } from './provider.ts';

/** Writes an answer as OpenAI's Responses API does: typed events, each with its place in the sequence. */
export function responsesFrames(
  model: string,
  options: { showsReasoning: boolean; pads: boolean },
): AnswerFrames {
  const responseId = freshId('resp_');
  const messageId = freshId('msg_');
  const reasoningId = freshId('rs_');
  const createdAt = nowSeconds();
  const output: object[] = [];
  let sequence = 0;
  let text = '';
  let summary: string[] = [];
  let cited: readonly Source[] = [];
  let isTextOpen = false;

  const event = (type: string, fields: object) =>
    typedFrame({ type, ...fields, sequence_number: sequence++ });
  const response = (status: string, fields: object = {}) => ({
    id: responseId,
    object: 'response',
    created_at: createdAt,
    status,
    model,
    output,
    service_tier: status === 'in_progress' ? 'auto' : 'default',
    usage: null,
    ...fields,
  });
  const textAt = () => ({ content_index: 0, item_id: messageId, output_index: output.length });
  const summaryAt = (block: number) => ({ item_id: reasoningId, output_index: 0, summary_index: block });
  const message = (status: string, content: object[]) => ({
    id: messageId,
    type: 'message',
    status,
    content,
    phase: 'final_answer',
    role: 'assistant',
  });
  const part = (value: string, annotations: object[] = []) => ({
    type: 'output_text',
    annotations,
    logprobs: [],
    text: value,
  });

  const closeSummary = () => {
    const last = summary.length - 1;
    const done = summary[last] ?? '';
    return [
      event('response.reasoning_summary_text.done', { ...summaryAt(last), text: done }),
      event('response.reasoning_summary_part.done', {
        ...summaryAt(last),
        part: { type: 'summary_text', text: done },
      }),
    ];
  };
  const closeReasoning = () => {
    if (summary.length === 0) return [];
    const item = {
      id: reasoningId,
      type: 'reasoning',
      summary: summary.map((value) => ({ type: 'summary_text', text: value })),
    };
    const frames = [...closeSummary(), event('response.output_item.done', { item, output_index: 0 })];
    output.push(item);
    summary = [];
    return frames;
  };
  const openText = () => {
    if (isTextOpen) return [];
    isTextOpen = true;
    return [
      ...closeReasoning(),
      event('response.output_item.added', { item: message('in_progress', []), output_index: output.length }),
      event('response.content_part.added', { ...textAt(), part: part('') }),
    ];
  };
  const closeText = () => {
    const annotations = cited.map(annotationOf);
    const done = message('completed', [part(text, annotations)]);
    const frames = [
      ...annotations.map((annotation, index) =>
        event('response.output_text.annotation.added', { ...textAt(), annotation, annotation_index: index }),
      ),
      event('response.output_text.done', { ...textAt(), logprobs: [], text }),
      event('response.content_part.done', { ...textAt(), part: part(text, annotations) }),
      event('response.output_item.done', { item: done, output_index: output.length }),
    ];
    output.push(done);
    return frames;
  };

  return {
    opening: () => [
      event('response.created', { response: response('in_progress') }),
      event('response.in_progress', { response: response('in_progress') }),
    ],
    keepalive: () => [],
    reasoning: (delta, block) => {
      if (!options.showsReasoning) return [];
      const frames: string[] = [];
      if (block >= summary.length) {
        const item = { id: reasoningId, type: 'reasoning', summary: [] };
        if (summary.length === 0) frames.push(event('response.output_item.added', { item, output_index: 0 }));
        else frames.push(...closeSummary());
        summary.push('');
        const empty = { type: 'summary_text', text: '' };
        frames.push(event('response.reasoning_summary_part.added', { ...summaryAt(block), part: empty }));
      }
      summary[block] += delta;
      frames.push(event('response.reasoning_summary_text.delta', { ...summaryAt(block), delta }));
      return frames;
    },
    sources: (sources) => {
      cited = sources;
      return [];
    },
    text: (delta) => {
      text += delta;
      const obfuscation = options.pads ? { obfuscation: padding(sequence) } : {};
      return [
        ...openText(),
        event('response.output_text.delta', { ...textAt(), delta, logprobs: [], ...obfuscation }),
      ];
    },
    ending: (end, tokens) => {
      const frames = [...closeReasoning(), ...(isTextOpen ? closeText() : [])];
      const status = end === 'stop' ? 'completed' : 'incomplete';
      return [...frames, event(`response.${status}`, { response: response(status, endOf(end, tokens)) })];
    },
    failure: (isFirst) => {
      const error = { type: 'server_error', code: 'server_error', message: SERVER_ERROR, param: null };
      const failed = response('failed', { error: { code: 'server_error', message: SERVER_ERROR } });
      return [
        ...(isFirst ? [event('response.created', { response: response('in_progress') })] : []),
        event('error', { error }),
        event('response.failed', { response: failed }),
      ];
    },
    whole: (value, end, tokens) => {
      output.push(message('completed', [part(value)]));
      return response(end === 'stop' ? 'completed' : 'incomplete', endOf(end, tokens));
    },
  };
}

const SERVER_ERROR = 'The server had an error while processing your request. Sorry about that!';

function endOf(end: AnswerEnd, tokens: TokenCounts): object {
  const reason = end === 'length' ? 'max_output_tokens' : 'content_filter';
  return {
    ...(end === 'stop' ? {} : { incomplete_details: { reason } }),
    usage: {
      input_tokens: tokens.input,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: tokens.text + tokens.reasoning,
      output_tokens_details: { reasoning_tokens: tokens.reasoning },
      total_tokens: tokens.input + tokens.text + tokens.reasoning,
    },
  };
}

function annotationOf(source: Source): object {
  return {
    type: 'url_citation',
    url: source.url,
    title: source.title,
    start_index: source.startOffset,
    end_index: source.endOffset,
  };
}
