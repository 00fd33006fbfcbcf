import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../src/simulator/simulator.ts';

/** The simulator refuses what the providers refuse, so that a wrong request fails here as it would there. */

let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator({ paceMs: 0 });
});
afterAll(() => simulator?.close());

type Name = keyof Simulator['baseUrls'];

/** Status and message of the reply to a body. */
async function said(name: Name, path: string, body: object): Promise<string> {
  const response = await fetch(simulator.baseUrls[name] + path, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: 'Bearer sk-sim-rules',
      'x-api-key': 'sk-sim-rules',
      'x-goog-api-key': 'sk-sim-rules',
      'anthropic-version': '2023-06-01',
    },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  const message = /"(?:message|error|msg)": ?"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
  return `${response.status} ${response.status === 200 ? 'taken' : message}`;
}

const FOREIGN = Buffer.from('simulated another-model 0123').toString('base64');

test('OpenAI’s Responses', async () => {
  const input = [{ role: 'user', content: 'Hi' }];
  const ask = (model: string, more: object) => said('OPENAI', '/responses', { model, input, ...more });
  const reasoning = { type: 'reasoning', summary: [], encrypted_content: FOREIGN };
  expect([
    await ask('gpt-6-sol', { reasoning: { effort: 'max', summary: 'auto' }, store: false }),
    await ask('gpt-6-sol', { stop: ['END'] }),
    await ask('gpt-6-sol', { temperature: 0.5 }),
    await ask('gpt-6-sol', { temperature: 0.5, reasoning: { effort: 'none' } }),
    await ask('gpt-6-sol', { temperature: 3, reasoning: { effort: 'none' } }),
    await ask('gpt-6-sol', { max_output_tokens: 1 }),
    await ask('gpt-6-sol', { input: [{ role: 'model', content: 'Hi' }] }),
    await ask('gpt-6-sol', { input: [reasoning, ...input] }),
    await ask('gpt-6.1-sol', { reasoning: { effort: 'none' } }),
    await ask('o4-mini', { reasoning: { effort: 'minimal' } }),
    await ask('gpt-4.1-nano', { reasoning: { effort: 'low' } }),
    await ask('gpt-4.1-nano', { include: ['reasoning.encrypted_content'] }),
  ]).toMatchInlineSnapshot(`
    [
      "200 taken",
      "400 Unknown parameter: 'stop'.",
      "400 Unsupported parameter: 'temperature' is not supported with this model.",
      "200 taken",
      "400 Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
      "400 Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 1 instead.",
      "400 Invalid value: 'model'. Supported values are: 'assistant', 'system', 'developer', and 'user'.",
      "400 The encrypted content c2ltdWxh... could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
      "400 Unsupported value: 'none' is not supported with the 'gpt-6.1-sol' model. Supported values are: 'low', 'medium', 'high', 'xhigh', and 'max'.",
      "400 Unsupported value: 'minimal' is not supported with the 'o4-mini' model. Supported values are: 'low', 'medium', and 'high'.",
      "400 Unsupported parameter: 'reasoning.effort' is not supported with this model.",
      "400 Encrypted content is not supported with this model.",
    ]
  `);
});

test('xAI’s Responses', async () => {
  const input = [{ role: 'user', content: 'Hi' }];
  const ask = (model: string, more: object) => said('XAI', '/responses', { model, input, ...more });
  const reasoning = { type: 'reasoning', summary: [], encrypted_content: FOREIGN };
  expect([
    await ask('grok-4.7', { reasoning: { effort: 'xhigh' }, prompt_cache_key: 'thr_1' }),
    await ask('grok-4.7', { reasoning: { effort: 'none' } }),
    await ask('grok-4-fast-reasoning', { reasoning: { effort: 'low' } }),
    await ask('grok-4.7', { stop: ['END'] }),
    await ask('grok-4.7', { temperature: 3 }),
    await ask('grok-4.7', { input: [...input, reasoning] }),
  ]).toMatchInlineSnapshot(`
    [
      "200 taken",
      "400 Invalid reasoning effort: none",
      "400 Model grok-4-fast-reasoning does not support parameter reasoningEffort.",
      "400 Argument not supported: stop",
      "400 temperature must be between 0 and 2",
      "400 Could not decrypt the provided encrypted_content. Please ensure the value is the unmodified encrypted_content from a previous response.",
    ]
  `);
});

test('Anthropic', async () => {
  const messages = [{ role: 'user', content: 'Hi' }];
  const ask = (model: string, more: object) =>
    said('ANTHROPIC', '/v1/messages', { model, messages, max_tokens: 2_000, ...more });
  const thinking = (type: string, more: object = {}) => ({ thinking: { type, ...more } });
  const answered = (block: object) => ({
    messages: [
      ...messages,
      { role: 'assistant', content: [block, { type: 'text', text: 'Hi' }] },
      ...messages,
    ],
  });
  expect([
    await ask('claude-opus-5-5', thinking('adaptive', { display: 'summarized' })),
    await ask('claude-opus-5-5', thinking('disabled')),
    await ask('claude-opus-5-5', thinking('enabled', { budget_tokens: 1_024 })),
    await ask('claude-sonnet-5-5', thinking('between_tools')),
    await ask('claude-sonnet-4-5-20250929', thinking('adaptive')),
    await ask('claude-sonnet-4-5-20250929', thinking('enabled', { budget_tokens: 512 })),
    await ask('claude-sonnet-4-5-20250929', thinking('enabled', { budget_tokens: 2_000 })),
    await ask('claude-sonnet-4-5-20250929', {
      ...thinking('enabled', { budget_tokens: 1_024 }),
      temperature: 0.5,
    }),
    await ask('claude-opus-4-6', { output_config: { effort: 'xhigh' } }),
    await ask('claude-opus-4-6', { temperature: 0.5, top_p: 0.5 }),
    await ask('claude-opus-4-8', { top_p: 0.5 }),
    await ask('claude-opus-5-5', { cache_control: { type: 'ephemeral', ttl: '2h' } }),
    await ask('claude-opus-5-5', { stop: ['END'] }),
    await ask('claude-opus-5-5', answered({ type: 'thinking', thinking: 'Hm.' })),
    await ask('claude-opus-5-5', answered({ type: 'thinking', thinking: 'Hm.', signature: FOREIGN })),
  ]).toMatchInlineSnapshot(`
    [
      "200 taken",
      "400 \\"thinking.type.disabled\\" is not supported for this model. Use \\"thinking.type.adaptive\\" and \\"output_config.effort\\" to control thinking behavior.",
      "400 \\"thinking.type.enabled\\" is not supported for this model. Use \\"thinking.type.adaptive\\" and \\"output_config.effort\\" to control thinking behavior.",
      "200 taken",
      "400 adaptive thinking is not supported on this model",
      "400 thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
      "400 \`max_tokens\` must be greater than \`thinking.budget_tokens\`.",
      "400 \`temperature\` may only be set to 1 when thinking is enabled or in adaptive mode.",
      "400 This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.",
      "400 \`temperature\` and \`top_p\` cannot both be specified for this model. Please use only one.",
      "400 \`top_p\` is deprecated for this model.",
      "400 cache_control.ttl: Input should be '5m' or '1h'",
      "400 stop: Extra inputs are not permitted",
      "400 messages.1.content.0.thinking.signature: Field required",
      "400 messages.1.content.0: Invalid \`signature\` in \`thinking\` block",
    ]
  `);
});

test('Gemini', async () => {
  const contents = [{ role: 'user', parts: [{ text: 'Hi' }] }];
  const ask = (model: string, generationConfig: object, more: object = {}) =>
    said('GEMINI', `/models/${model}:streamGenerateContent?alt=sse`, { contents, generationConfig, ...more });
  const thinks = (thinkingConfig: object) => ({ thinkingConfig });
  expect([
    await ask('gemini-3.8-flash', thinks({ includeThoughts: true, thinkingLevel: 'MINIMAL' })),
    await ask('gemini-3-pro-preview', thinks({ thinkingLevel: 'MINIMAL' })),
    await ask('gemini-2.5-flash', thinks({ thinkingLevel: 'LOW' })),
    await ask('gemini-2.5-flash', thinks({ thinkingBudget: 0, includeThoughts: true })),
    await ask('gemini-2.5-flash-lite', thinks({ thinkingBudget: 100 })),
    await ask('gemini-3.8-flash', thinks({ thinkingBudget: 100, thinkingLevel: 'LOW' })),
    await ask('gemma-3-27b-it', thinks({ includeThoughts: true })),
    await ask('gemma-3-27b-it', {}, { systemInstruction: { parts: [{ text: 'Be brief.' }] } }),
    await ask('gemini-3.8-flash', { temperature: 2.5 }),
    await ask('gemini-3.8-flash', { stop: ['END'] }),
    await ask(
      'gemini-3.8-flash',
      {},
      { contents: [{ role: 'user', parts: [{ text: '', thoughtSignature: FOREIGN }] }] },
    ),
  ]).toMatchInlineSnapshot(`
    [
      "200 taken",
      "400 Thinking level MINIMAL is not supported for this model.",
      "400 Thinking level is not supported for this model.",
      "400 Include_thoughts is only enabled when thinking is enabled.",
      "400 The thinking budget 100 is invalid. Please choose a value between 512 and 24576.",
      "400 You can only set only one of thinking budget and thinking level.",
      "400 Thinking is not enabled for this model.",
      "400 Developer instruction is not enabled for models/gemma-3-27b-it",
      "400 temperature must be in the range [0, 2].",
      "400 Invalid JSON payload received. Unknown name \\"stop\\" at 'generation_config': Cannot find field.",
      "400 Thought signature is not valid.",
    ]
  `);
});

test('Mistral', async () => {
  const messages = [{ role: 'user', content: 'Hi' }];
  const ask = (more: object) =>
    said('MISTRAL', '/chat/completions', { model: 'mistral-medium-2604', messages, ...more });
  expect([
    await ask({ reasoning_effort: 'high', prompt_cache_key: 'thr_1' }),
    await ask({ reasoning_effort: 'most' }),
    await ask({ temperature: 1.6 }),
    await ask({ messages: [{ role: 'developer', content: 'Be brief.' }, ...messages] }),
    await ask({ cache_control: {} }),
  ]).toMatchInlineSnapshot(`
    [
      "200 taken",
      "422 Input should be a known effort",
      "422 Input should be less than or equal to 1.5",
      "422 Unexpected role developer",
      "422 Extra inputs are not permitted",
    ]
  `);
});
