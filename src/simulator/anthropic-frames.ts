import { freshId, typedFrame } from './frame.ts';
import type { AnswerEnd, AnswerFrames, Source, TokenCounts } from './provider.ts';
import { signThought } from './signature.ts';

/** Writes an answer as Anthropic's named events: numbered content blocks, each opened and closed. */
export function anthropicFrames(model: string, display: 'none' | 'summarized' | 'omitted'): AnswerFrames {
  const id = freshId('msg_');
  let index = -1;
  let openBlock: string | null = null;
  let thought = '';
  let cited: readonly Source[] = [];

  const message = (content: object[], stopReason: string | null, input: object, outputTokens: number) => ({
    model,
    id,
    type: 'message',
    role: 'assistant',
    content,
    stop_reason: stopReason,
    stop_sequence: null,
    usage: {
      ...input,
      output_tokens: outputTokens,
      service_tier: 'standard',
      inference_geo: 'not_available',
    },
  });
  const delta = (value: object) => typedFrame({ type: 'content_block_delta', index, delta: value });
  const close = () => {
    if (openBlock === null) return [];
    const isThinking = openBlock.startsWith('thinking');
    openBlock = null;
    return [
      ...(isThinking ? [delta({ type: 'signature_delta', signature: signThought(model, thought) })] : []),
      typedFrame({ type: 'content_block_stop', index }),
    ];
  };
  const open = (name: string, block: object) => {
    if (openBlock === name) return [];
    const closing = close();
    openBlock = name;
    index += 1;
    const start = typedFrame({ type: 'content_block_start', index, content_block: block });
    return [...closing, start, ...(index === 0 ? [PING] : [])];
  };

  return {
    opening: (tokens) => [
      typedFrame({ type: 'message_start', message: message([], null, inputUsage(tokens), 1) }),
    ],
    keepalive: () => [PING],
    reasoning: (text, block) => {
      if (display === 'none') return [];
      const opening = open(`thinking ${block}`, { type: 'thinking', thinking: '', signature: '' });
      if (opening.length > 0) thought = '';
      thought += text;
      return display === 'omitted'
        ? opening
        : [...opening, delta({ type: 'thinking_delta', thinking: text })];
    },
    sources: (sources) => {
      cited = sources;
      return [];
    },
    text: (text) => [...open('text', { type: 'text', text: '' }), delta({ type: 'text_delta', text })],
    ending: (end, tokens) => [
      ...(openBlock === 'text' ? cited.map((source) => delta(citationOf(source))) : []),
      ...close(),
      typedFrame({
        type: 'message_delta',
        delta: { stop_reason: stopReasonOf(end), stop_sequence: null },
        usage: { ...inputUsage(tokens), output_tokens: tokens.text + tokens.reasoning },
      }),
      typedFrame({ type: 'message_stop' }),
    ],
    failure: () => [
      typedFrame({
        type: 'error',
        error: { details: null, type: 'overloaded_error', message: 'Overloaded' },
      }),
    ],
    whole: (text, end, tokens) =>
      message(
        [{ type: 'text', text }],
        stopReasonOf(end),
        inputUsage(tokens),
        tokens.text + tokens.reasoning,
      ),
  };
}

const PING = typedFrame({ type: 'ping' });

/** Cached and written tokens are counted beside the rest of the input. */
function inputUsage({ input, cached, written }: TokenCounts): object {
  return {
    input_tokens: input - cached - written,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: cached,
    cache_creation: { ephemeral_5m_input_tokens: written, ephemeral_1h_input_tokens: 0 },
  };
}

function citationOf({ url, title, snippet }: Source): object {
  const citation = {
    type: 'web_search_result_location',
    cited_text: snippet,
    url,
    title,
    encrypted_index: 'c2lt',
  };
  return { type: 'citations_delta', citation };
}

function stopReasonOf(end: AnswerEnd): string {
  switch (end) {
    case 'stop':
      return 'end_turn';
    case 'length':
      return 'max_tokens';
    case 'content-filter':
      return 'refusal';
    default:
      return end satisfies never;
  }
}
