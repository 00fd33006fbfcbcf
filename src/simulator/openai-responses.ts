import { freshId, nowSeconds, padding, typedFrame } from './frame.ts';
import type { AnswerEnd, AnswerFrames, Source, TokenCounts } from './provider.ts';
import { signThought } from './signature.ts';

/** Where the servers that speak Responses differ from each other. */
export interface ResponsesFlavour {
  /** Whether a summary of the reasoning is streamed. */
  showsReasoning: boolean;
  /** Whether the reasoning is handed out encrypted. */
  encryptsReasoning: boolean;
  pads: boolean;
  usage(tokens: TokenCounts): object;
  /** The error of a stream that fails. */
  failure: object;
}

/** Writes an answer as OpenAI's Responses API does: typed events, each with its place in the sequence. */
export function responsesFrames(model: string, options: ResponsesFlavour): AnswerFrames {
  const responseId = freshId('resp_');
  const messageId = freshId('msg_');
  const reasoningId = freshId('rs_');
  const createdAt = nowSeconds();
  const output: object[] = [];
  let sequence = 0;
  let text = '';
  let summary: string[] = [];
  let thought = '';
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
    if (thought === '') return [];
    const item = {
      id: reasoningId,
      type: 'reasoning',
      summary: summary.map((value) => ({ type: 'summary_text', text: value })),
      ...(options.encryptsReasoning && { encrypted_content: signThought(model, thought) }),
    };
    const frames = [
      ...(summary.length > 0 ? closeSummary() : []),
      event('response.output_item.done', { item, output_index: 0 }),
    ];
    output.push(item);
    summary = [];
    thought = '';
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
      const isFirst = thought === '';
      thought += delta;
      const item = { id: reasoningId, type: 'reasoning', summary: [] };
      const frames = isFirst ? [event('response.output_item.added', { item, output_index: 0 })] : [];
      if (!options.showsReasoning) return frames;
      if (block >= summary.length) {
        if (summary.length > 0) frames.push(...closeSummary());
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
      return [
        ...frames,
        event(`response.${status}`, { response: response(status, endOf(end, options.usage(tokens))) }),
      ];
    },
    failure: (isFirst) => {
      const failed = response('failed', { error: options.failure });
      return [
        ...(isFirst ? [event('response.created', { response: response('in_progress') })] : []),
        event('error', { error: options.failure }),
        event('response.failed', { response: failed }),
      ];
    },
    whole: (value, end, tokens) => {
      output.push(message('completed', [part(value)]));
      return response(end === 'stop' ? 'completed' : 'incomplete', endOf(end, options.usage(tokens)));
    },
  };
}

function endOf(end: AnswerEnd, usage: object): object {
  const reason = end === 'length' ? 'max_output_tokens' : 'content_filter';
  return { ...(end === 'stop' ? {} : { incomplete_details: { reason } }), usage };
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
