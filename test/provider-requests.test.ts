import { describe, expect, test } from 'vitest';
import type { ProviderName } from '../src/providers/provider.ts';
import { createProviders } from '../src/providers/registry.ts';
import { ask, callOf, codeOf, question, SECRET, scriptedProviders } from './fixtures/ask.ts';
import { eventStream, json, scriptedEgress } from './fixtures/scripted-egress.ts';
import { data, STREAMS } from './fixtures/streams.ts';

type Asking = Parameters<typeof question>[1];

const LONG_TALK: Asking = {
  options: { systemPrompt: 'Be brief.', maxOutputTokens: 500 },
  turns: [
    { role: 'user', text: 'Hello' },
    { role: 'assistant', text: 'Hi!' },
    { role: 'user', text: 'How many?' },
  ],
};

describe('what a provider is asked', () => {
  async function asked(provider: ProviderName, model: string, request: Asking = {}) {
    const { providers, egress } = scriptedProviders(() => json({}, 500));
    await ask(providers, provider, question(model, request));
    const { method, url, headers, body = '' } = egress.requests[0] ?? { url: '', headers: {} };
    return {
      url,
      body: JSON.parse(body),
      shown: [`${method} ${url}`, JSON.stringify(headers), body].join('\n'),
    };
  }

  test('by OpenAI chat, of a fine-tuned model', async () => {
    const { shown } = await asked('OPENAI', 'ft:gpt-4.1:acme::B7x1', LONG_TALK);
    expect(shown).toMatchInlineSnapshot(`
      "POST https://api.openai.com/v1/chat/completions
      {"authorization":"Bearer sk-canary-0123456789","content-type":"application/json","accept":"text/event-stream"}
      {"model":"ft:gpt-4.1:acme::B7x1","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hello"},{"role":"assistant","content":"Hi!"},{"role":"user","content":"How many?"}],"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"store":false,"max_completion_tokens":500}"
    `);
  });

  test('by OpenAI chat, of a fine-tuned model that reasons', async () => {
    const { shown } = await asked('OPENAI', 'ft:o4-mini:acme::B7x1', LONG_TALK);
    expect(shown).toMatchInlineSnapshot(`
      "POST https://api.openai.com/v1/chat/completions
      {"authorization":"Bearer sk-canary-0123456789","content-type":"application/json","accept":"text/event-stream"}
      {"model":"ft:o4-mini:acme::B7x1","messages":[{"role":"developer","content":"Be brief."},{"role":"user","content":"Hello"},{"role":"assistant","content":"Hi!"},{"role":"user","content":"How many?"}],"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"store":false,"max_completion_tokens":500}"
    `);
  });

  test('by OpenAI Responses', async () => {
    const { shown } = await asked('OPENAI', 'gpt-5.6-pro', LONG_TALK);
    expect(shown).toMatchInlineSnapshot(`
      "POST https://api.openai.com/v1/responses
      {"authorization":"Bearer sk-canary-0123456789","content-type":"application/json","accept":"text/event-stream"}
      {"model":"gpt-5.6-pro","instructions":"Be brief.","input":[{"type":"message","role":"user","content":"Hello"},{"type":"message","role":"assistant","content":"Hi!"},{"type":"message","role":"user","content":"How many?"}],"stream":true,"stream_options":{"include_obfuscation":false},"store":false,"max_output_tokens":500,"reasoning":{"summary":"auto"},"include":["reasoning.encrypted_content"]}"
    `);
  });

  test('by OpenAI Responses, of a model that does not reason', async () => {
    const { shown } = await asked('OPENAI', 'gpt-4.1', LONG_TALK);
    expect(shown).toMatchInlineSnapshot(`
      "POST https://api.openai.com/v1/responses
      {"authorization":"Bearer sk-canary-0123456789","content-type":"application/json","accept":"text/event-stream"}
      {"model":"gpt-4.1","instructions":"Be brief.","input":[{"type":"message","role":"user","content":"Hello"},{"type":"message","role":"assistant","content":"Hi!"},{"type":"message","role":"user","content":"How many?"}],"stream":true,"stream_options":{"include_obfuscation":false},"store":false,"max_output_tokens":500}"
    `);
  });

  test('by OpenAI Responses, of a model that searches', async () => {
    const { shown } = await asked('OPENAI', 'o3-deep-research');
    expect(shown).toMatchInlineSnapshot(`
      "POST https://api.openai.com/v1/responses
      {"authorization":"Bearer sk-canary-0123456789","content-type":"application/json","accept":"text/event-stream"}
      {"model":"o3-deep-research","input":[{"type":"message","role":"user","content":"How many?"}],"stream":true,"stream_options":{"include_obfuscation":false},"store":false,"reasoning":{"summary":"auto"},"include":["reasoning.encrypted_content"],"tools":[{"type":"web_search_preview"}]}"
    `);
  });

  test('by Anthropic', async () => {
    const { shown } = await asked('ANTHROPIC', 'claude-sonnet-4-5', LONG_TALK);
    expect(shown).toMatchInlineSnapshot(`
      "POST https://api.anthropic.com/v1/messages
      {"x-api-key":"sk-canary-0123456789","anthropic-version":"2023-06-01","content-type":"application/json","accept":"text/event-stream"}
      {"model":"claude-sonnet-4-5","max_tokens":500,"system":"Be brief.","messages":[{"role":"user","content":"Hello"},{"role":"assistant","content":"Hi!"},{"role":"user","content":"How many?"}],"stream":true}"
    `);
  });

  test('by Anthropic, of an old model without a limit', async () => {
    const { shown } = await asked('ANTHROPIC', 'claude-3-haiku-20240307');
    expect(shown).toMatchInlineSnapshot(`
      "POST https://api.anthropic.com/v1/messages
      {"x-api-key":"sk-canary-0123456789","anthropic-version":"2023-06-01","content-type":"application/json","accept":"text/event-stream"}
      {"model":"claude-3-haiku-20240307","max_tokens":4096,"messages":[{"role":"user","content":"How many?"}],"stream":true}"
    `);
  });

  test('by Gemini', async () => {
    const { shown } = await asked('GEMINI', 'gemini-3-pro-preview', LONG_TALK);
    expect(shown).toMatchInlineSnapshot(`
      "POST https://generativelanguage.googleapis.com/v1beta/models/gemini-3-pro-preview:streamGenerateContent?alt=sse
      {"x-goog-api-key":"sk-canary-0123456789","content-type":"application/json","accept":"text/event-stream"}
      {"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"Hello"}]},{"role":"model","parts":[{"text":"Hi!"}]},{"role":"user","parts":[{"text":"How many?"}]}],"generationConfig":{"maxOutputTokens":500,"thinkingConfig":{"includeThoughts":true}}}"
    `);
  });

  test('by Gemini, of a model without instructions and thoughts', async () => {
    const { shown } = await asked('GEMINI', 'gemma-3-27b-it', LONG_TALK);
    expect(shown).toMatchInlineSnapshot(`
      "POST https://generativelanguage.googleapis.com/v1beta/models/gemma-3-27b-it:streamGenerateContent?alt=sse
      {"x-goog-api-key":"sk-canary-0123456789","content-type":"application/json","accept":"text/event-stream"}
      {"contents":[{"role":"user","parts":[{"text":"Be brief.\\n\\nHello"}]},{"role":"model","parts":[{"text":"Hi!"}]},{"role":"user","parts":[{"text":"How many?"}]}],"generationConfig":{"maxOutputTokens":500}}"
    `);
  });

  test('by Mistral', async () => {
    const { shown } = await asked('MISTRAL', 'mistral-small-latest', LONG_TALK);
    expect(shown).toMatchInlineSnapshot(`
      "POST https://api.mistral.ai/v1/chat/completions
      {"authorization":"Bearer sk-canary-0123456789","content-type":"application/json","accept":"text/event-stream"}
      {"model":"mistral-small-latest","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hello"},{"role":"assistant","content":"Hi!"},{"role":"user","content":"How many?"}],"stream":true,"max_tokens":500}"
    `);
  });

  test('by Perplexity', async () => {
    const { shown } = await asked('PERPLEXITY', 'perplexity/sonar', LONG_TALK);
    expect(shown).toMatchInlineSnapshot(`
      "POST https://api.perplexity.ai/v1/agent
      {"authorization":"Bearer sk-canary-0123456789","content-type":"application/json","accept":"text/event-stream"}
      {"model":"perplexity/sonar","tools":[{"type":"web_search"}],"instructions":"Be brief.","input":[{"type":"message","role":"user","content":"Hello"},{"type":"message","role":"assistant","content":"Hi!"},{"type":"message","role":"user","content":"How many?"}],"stream":true,"store":false,"max_output_tokens":500}"
    `);
  });

  test('by Perplexity, of a preset, with its smallest limit', async () => {
    const { shown } = await asked('PERPLEXITY', 'preset/low', { options: { maxOutputTokens: 16 } });
    expect(shown).toMatchInlineSnapshot(`
      "POST https://api.perplexity.ai/v1/agent
      {"authorization":"Bearer sk-canary-0123456789","content-type":"application/json","accept":"text/event-stream"}
      {"preset":"low","input":[{"type":"message","role":"user","content":"How many?"}],"stream":true,"store":false,"max_output_tokens":16}"
    `);
  });

  test('by Perplexity, of a model of Anthropic, with the limit that it requires', async () => {
    expect((await asked('PERPLEXITY', 'anthropic/claude-x')).body).toMatchObject({
      model: 'anthropic/claude-x',
      max_output_tokens: 32_000,
    });
    expect((await asked('PERPLEXITY', 'openai/gpt-x')).body).not.toHaveProperty('max_output_tokens');
  });

  test('by xAI', async () => {
    const { shown } = await asked('XAI', 'grok-4.3', LONG_TALK);
    expect(shown).toMatchInlineSnapshot(`
      "POST https://api.x.ai/v1/responses
      {"authorization":"Bearer sk-canary-0123456789","content-type":"application/json","accept":"text/event-stream"}
      {"model":"grok-4.3","instructions":"Be brief.","input":[{"type":"message","role":"user","content":"Hello"},{"type":"message","role":"assistant","content":"Hi!"},{"type":"message","role":"user","content":"How many?"}],"stream":true,"store":false,"max_output_tokens":500,"include":["reasoning.encrypted_content"]}"
    `);
  });

  test('by Novita', async () => {
    const { shown } = await asked('NOVITA', 'deepseek/deepseek-v3.1', LONG_TALK);
    expect(shown).toMatchInlineSnapshot(`
      "POST https://api.novita.ai/openai/v1/chat/completions
      {"authorization":"Bearer sk-canary-0123456789","content-type":"application/json","accept":"text/event-stream"}
      {"model":"deepseek/deepseek-v3.1","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hello"},{"role":"assistant","content":"Hi!"},{"role":"user","content":"How many?"}],"stream":true,"stream_options":{"include_usage":true},"separate_reasoning":true,"max_tokens":500}"
    `);
  });

  test('by a server of one’s own', async () => {
    const { shown } = await asked('CUSTOM', 'llama3', LONG_TALK);
    expect(shown).toMatchInlineSnapshot(`
      "POST https://models.example/v1/chat/completions
      {"authorization":"Bearer sk-canary-0123456789","content-type":"application/json","accept":"text/event-stream"}
      {"model":"llama3","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hello"},{"role":"assistant","content":"Hi!"},{"role":"user","content":"How many?"}],"stream":true,"max_tokens":500,"stream_options":{"include_usage":true}}"
    `);
  });

  test('never has the key in a URL or body, and a model’s name cannot leave its place', async () => {
    for (const { provider } of STREAMS) {
      const { url, body } = await asked(provider, '../../x?key=1#');
      expect(url).not.toContain(SECRET);
      expect(JSON.stringify(body)).not.toContain(SECRET);
      expect(new URL(url).search).toMatch(/^(\?alt=sse)?$/);
    }
  });

  test('carries no authorization when the server needs no key', async () => {
    const { providers, egress } = scriptedProviders(() => json({}, 500));
    await ask(providers, 'CUSTOM', question('llama3'), { secret: '' });
    expect(Object.keys(egress.requests[0]?.headers ?? {})).not.toContain('authorization');
  });
});

describe('a field that a server refuses by name', () => {
  const done = eventStream([data({ choices: [{ delta: { content: 'Fine.' }, finish_reason: 'stop' }] })]);

  test.each<[string, ProviderName, string, number]>([
    ['stream_options', 'CUSTOM', 'llama3', 422],
    ['stream_options', 'CUSTOM', 'llama3', 400],
    ['max_tokens', 'NOVITA', 'm', 400],
  ])('a refused field %s of %s is corrected once', async (field, provider, model, status) => {
    const { providers, egress } = scriptedProviders((_request, number) =>
      number === 1 ? json({ error: { message: `Problem with ${field}` } }, status) : done,
    );
    expect(await ask(providers, provider, question(model))).toMatchObject({ text: 'Fine.', error: null });
    const [first, second] = egress.requests.map(({ body }) => field in JSON.parse(String(body)));
    expect(second).toBe(!first);
  });

  test('a field that a server refuses by name is not tried a third time, nor when something else is wrong', async () => {
    const always = scriptedProviders(() => json({ error: 'no stream_options here' }, 400));
    expect(codeOf((await ask(always.providers, 'CUSTOM', question('llama3'))).error)).toBe('BAD_REQUEST');
    expect(always.egress.requests).toHaveLength(2);
    const other = scriptedProviders(() => json({ error: 'no such parameter' }, 400));
    await ask(other.providers, 'CUSTOM', question('llama3'));
    expect(other.egress.requests).toHaveLength(1);
  });
});

describe('the operator’s own base URL', () => {
  test('the operator’s own base URL replaces the published one and is trusted, for this provider only', async () => {
    const egress = scriptedEgress(() => json({ availableBalance: '1' }));
    const providers = createProviders({ egress, urls: { NOVITA: 'http://127.0.0.1:9/novita/openai/v1' } });
    await providers.NOVITA.checkKey(callOf(providers, 'NOVITA'));
    await providers.XAI.checkKey(callOf(providers, 'XAI'));
    expect(egress.requests.map(({ url, isTrusted }) => [new URL(url).href, isTrusted ?? false])).toEqual([
      ['http://127.0.0.1:9/novita/openapi/v1/billing/balance/detail', true],
      ['https://api.x.ai/v1/api-key', false],
    ]);
  });
});
