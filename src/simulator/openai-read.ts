import { asNumber, asObject, asObjects, asText, type JsonObject } from './json.ts';
import { readContent } from './message-parts.ts';
import type { Conversation, Turn } from './provider.ts';

/** Reads the body of a chat completion; null when it has no messages. */
export function readChat(body: JsonObject): Conversation | null {
  const messages = asObjects(body.messages);
  if (messages.length === 0 || asText(body.model) === '') return null;
  const isSystem = (message: JsonObject) => message.role === 'system' || message.role === 'developer';
  const system = messages.filter(isSystem).map((message) => readContent(message.content).text);
  return {
    model: asText(body.model),
    system: system.length > 0 ? system.join('\n\n') : null,
    turns: messages.filter((message) => !isSystem(message)).map(readTurn),
    maxOutputTokens: asNumber(body.max_completion_tokens) ?? asNumber(body.max_tokens),
    isStreaming: body.stream === true,
    wantsSources: false,
    cacheKey: asText(body.prompt_cache_key) || null,
  };
}

/** Reads a message: its content is text or a list of parts. */
function readTurn(message: JsonObject): Turn {
  return { role: message.role === 'assistant' ? 'assistant' : 'user', ...readContent(message.content) };
}

/** Reads the body of OpenAI's Responses or Perplexity's Agent API; null when it has no input. */
export function readResponses(body: JsonObject): Conversation | null {
  const input = body.input;
  const items = typeof input === 'string' ? [{ role: 'user', content: input }] : asObjects(input);
  const messages = items.filter(({ type }) => type === undefined || type === 'message');
  if (messages.length === 0) return null;
  const isSystem = (message: JsonObject) => message.role === 'system' || message.role === 'developer';
  const system = [
    asText(body.instructions),
    ...messages.filter(isSystem).map((message) => readTurn(message).text),
  ];
  const tools = asObjects(body.tools);
  return {
    model: asText(body.model),
    system: system.filter((value) => value !== '').join('\n\n') || null,
    turns: messages.filter((message) => !isSystem(message)).map(readTurn),
    maxOutputTokens: asNumber(body.max_output_tokens),
    isStreaming: body.stream === true,
    wantsSources: tools.some((tool) => asText(tool.type).startsWith('web_search')),
    cacheKey: asText(body.prompt_cache_key) || null,
  };
}

/** True when a summary of the reasoning was asked for. */
export function asksForSummary(body: JsonObject): boolean {
  return asText(asObject(body.reasoning)?.summary) !== '';
}
