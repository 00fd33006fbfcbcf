import { describe, expect, test } from 'vitest';
import type { ListedModel, Provider, ProviderName } from '../src/providers/provider.ts';
import { callOf, codeOf, SECRET, scriptedProviders } from './fixtures/ask.ts';
import { json, type ScriptedResponse } from './fixtures/scripted-egress.ts';

// What no list may stumble over: entries of other types and without a name.
const ODD_ENTRIES = [null, 7, 'text', [], {}, { id: 12, name: {} }];

describe('the list of models', () => {
  async function listed(
    provider: ProviderName,
    respond: (path: string, number: number) => object,
  ): Promise<string[]> {
    const { providers } = scriptedProviders(({ url }, number) => {
      const { pathname, search } = new URL(url);
      return json(respond(pathname + search, number));
    });
    const models = await providers[provider].listModels(callOf(providers, provider));
    return models.map((model) => show(model, providers[provider]));
  }

  test('the list of models of OpenAI has what chats, by name', async () => {
    const names = [
      'gpt-5.6-luna',
      'gpt-4.1',
      'gpt-4.1',
      'gpt-5-chat-latest',
      'gpt-5.6-pro',
      'gpt-5.3-codex',
      'o3-deep-research',
      'chatgpt-4o-latest',
      'gpt-4o-realtime-preview',
      'gpt-image-1',
      'gpt-3.5-turbo-instruct',
      'text-embedding-3-small',
      'whisper-1',
      'sora-2',
      'computer-use-preview',
      'gpt-4o-search-preview',
      'gpt-4o-mini-transcribe',
      'chat-latest',
      'o3-deep-research-2025-06-26',
      'ft:gpt-4.1-mini-2025-04-14:acme:image-search:BxYz1234',
      'ft:o4-mini-2025-04-16:acme::BxYz1234:ckpt-step-80',
      'ft:babbage-002:acme:chat:BxYz1234',
    ];
    const data = [...names.map((id) => ({ id, object: 'model' })), ...ODD_ENTRIES];
    expect(await listed('OPENAI', () => ({ object: 'list', data }))).toMatchInlineSnapshot(`
      [
        "gpt-5.6-luna "gpt-5.6-luna" null/null [] and by hand [REASONING IMAGE_INPUT PDF_INPUT]",
        "gpt-4.1 "gpt-4.1" null/null [] and by hand [IMAGE_INPUT PDF_INPUT]",
        "gpt-5-chat-latest "gpt-5-chat-latest" null/null [] and by hand [IMAGE_INPUT PDF_INPUT]",
        "gpt-5.6-pro "gpt-5.6-pro" null/null [] and by hand [REASONING IMAGE_INPUT PDF_INPUT]",
        "gpt-5.3-codex "gpt-5.3-codex" null/null [] and by hand [REASONING IMAGE_INPUT PDF_INPUT]",
        "o3-deep-research "o3-deep-research" null/null [] and by hand [REASONING WEB_SEARCH]",
        "chatgpt-4o-latest "chatgpt-4o-latest" null/null [] and by hand [IMAGE_INPUT PDF_INPUT]",
        "chat-latest "chat-latest" null/null []",
        "o3-deep-research-2025-06-26 "o3-deep-research-2025-06-26" null/null [] and by hand [REASONING WEB_SEARCH]",
        "ft:gpt-4.1-mini-2025-04-14:acme:image-search:BxYz1234 "ft:gpt-4.1-mini-2025-04-14:acme:image-search:BxYz1234" null/null [] and by hand [IMAGE_INPUT PDF_INPUT]",
        "ft:o4-mini-2025-04-16:acme::BxYz1234:ckpt-step-80 "ft:o4-mini-2025-04-16:acme::BxYz1234:ckpt-step-80" null/null [] and by hand [REASONING IMAGE_INPUT PDF_INPUT]",
      ]
    `);
  });

  test('the list of models of Anthropic is read page by page', async () => {
    const pages: Record<string, object> = {
      '/v1/models?limit=1000': {
        data: [
          {
            id: 'claude-new',
            display_name: 'Claude New',
            max_input_tokens: 1_000_000,
            max_tokens: 128_000,
            capabilities: {
              image_input: { supported: true },
              pdf_input: { supported: true },
              thinking: { supported: true },
              batch: { supported: true },
            },
          },
          ...ODD_ENTRIES,
        ],
        has_more: true,
        last_id: 'claude-new',
      },
      '/v1/models?limit=1000&after_id=claude-new': {
        data: [{ id: 'claude-old', display_name: 'Claude Old', capabilities: null, max_input_tokens: null }],
        has_more: false,
        last_id: 'claude-old',
      },
    };
    expect(await listed('ANTHROPIC', (path) => pages[path] ?? {})).toMatchInlineSnapshot(`
      [
        "claude-new "Claude New" 1000000/128000 [IMAGE_INPUT PDF_INPUT REASONING]",
        "claude-old "Claude Old" null/null []",
      ]
    `);
  });

  test('the list of models of Gemini is read page by page', async () => {
    const generateContent = ['generateContent', 'countTokens'];
    const pages: Record<string, object> = {
      '/v1beta/models?pageSize=1000': {
        models: [
          {
            name: 'models/gemini-3-pro-preview',
            displayName: 'Gemini 3 Pro Preview',
            inputTokenLimit: 1_048_576,
            outputTokenLimit: 65_536,
            supportedGenerationMethods: generateContent,
            thinking: true,
          },
          { name: 'models/gemini-3-pro-image', supportedGenerationMethods: generateContent },
          { name: 'models/text-embedding-004', supportedGenerationMethods: ['embedContent'] },
          ...['nano-banana-pro', 'antigravity-preview', 'gemini-3-omni-flash', 'gemini-live-2.5-flash'].map(
            (leaked) => ({ name: `models/${leaked}`, supportedGenerationMethods: generateContent }),
          ),
          { name: 'models/gemini-olive', supportedGenerationMethods: generateContent },
          ...ODD_ENTRIES,
        ],
        nextPageToken: 'a/b+c',
      },
      '/v1beta/models?pageSize=1000&pageToken=a%2Fb%2Bc': {
        models: [{ name: 'models/gemma-3-27b-it', supportedGenerationMethods: generateContent }],
      },
    };
    expect(await listed('GEMINI', (path) => pages[path] ?? {})).toMatchInlineSnapshot(`
      [
        "gemini-3-pro-preview "Gemini 3 Pro Preview" 1048576/65536 [REASONING] and by hand [IMAGE_INPUT PDF_INPUT]",
        "gemini-olive "gemini-olive" null/null [] and by hand [IMAGE_INPUT PDF_INPUT]",
        "gemma-3-27b-it "gemma-3-27b-it" null/null []",
      ]
    `);
  });

  test('the list of models of Mistral has each model once as the version it is, and once for each name that moves on', async () => {
    const capabilities = { completion_chat: true, vision: true, reasoning: false };
    const data = [
      {
        id: 'mistral-small-latest',
        name: 'mistral-small-2603',
        aliases: ['mistral-small-2603'],
        max_context_length: 262_144,
        capabilities,
      },
      {
        id: 'mistral-small-2603',
        name: 'mistral-small-2603',
        aliases: ['mistral-small-latest'],
        capabilities,
      },
      {
        id: 'magistral-medium',
        name: 'magistral-medium',
        capabilities: { completion_chat: true, reasoning: true },
      },
      {
        id: 'mistral-large-2512',
        name: 'mistral-large-2512',
        aliases: ['mistral-large-latest'],
        capabilities,
      },
      {
        id: 'mistral-large-latest',
        name: 'mistral-large-2512',
        aliases: ['mistral-large-2512', 'pixtral-large-latest'],
        capabilities,
      },
      {
        id: 'pixtral-large-latest',
        name: 'mistral-large-2512',
        aliases: ['mistral-large-latest'],
        capabilities,
      },
      { id: 'ministral-8b-2410', name: 'ministral-8b-2410', aliases: ['ministral-8b'], capabilities },
      { id: 'ministral-8b', name: 'ministral-8b-2410', aliases: ['ministral-8b-2410'], capabilities },
      { id: 'voxtral-mini-transcribe-2507', name: 'voxtral-mini-transcribe-2507', capabilities },
      { id: 'mistral-embed', name: 'mistral-embed', capabilities: { completion_chat: false } },
      ...ODD_ENTRIES,
    ];
    expect(await listed('MISTRAL', () => ({ data }))).toMatchInlineSnapshot(`
      [
        "mistral-small-latest "mistral-small-latest" 262144/null [IMAGE_INPUT]",
        "mistral-small-2603 "mistral-small-2603" null/null [IMAGE_INPUT]",
        "magistral-medium "magistral-medium" null/null [REASONING]",
        "mistral-large-2512 "mistral-large-2512" null/null [IMAGE_INPUT]",
        "mistral-large-latest "mistral-large-latest" null/null [IMAGE_INPUT]",
        "pixtral-large-latest "pixtral-large-latest" null/null [IMAGE_INPUT]",
        "ministral-8b-2410 "ministral-8b-2410" null/null [IMAGE_INPUT]",
      ]
    `);
  });

  test('the list of models of Perplexity has its own models, those of other vendors with their prices, and its presets', async () => {
    const pricing = { input: 3, output: 15, cache_read: 0.3, unit: 'usd_per_1m_tokens' };
    const data = [
      { id: 'perplexity/sonar', pricing: { input: 0.25, output: 2.5, unit: 'usd_per_1m_tokens' } },
      { id: 'anthropic/claude-x', pricing },
      { id: 'openai/gpt-x', pricing: { ...pricing, unit: 'usd_per_1k_tokens' } },
      { id: 'perplexity/embed-v1' },
      ...ODD_ENTRIES,
    ];
    expect(await listed('PERPLEXITY', () => ({ data }))).toMatchInlineSnapshot(`
      [
        "perplexity/sonar "perplexity/sonar" null/null [] and by hand [IMAGE_INPUT WEB_SEARCH] $0.25/2.5/null",
        "anthropic/claude-x "anthropic/claude-x" null/null [] and by hand [WEB_SEARCH] $3/15/0.3",
        "openai/gpt-x "openai/gpt-x" null/null [] and by hand [WEB_SEARCH]",
        "preset/fast "Perplexity preset: fast" null/null [] and by hand [IMAGE_INPUT WEB_SEARCH]",
        "preset/low "Perplexity preset: low" null/null [] and by hand [IMAGE_INPUT WEB_SEARCH]",
        "preset/medium "Perplexity preset: medium" null/null [] and by hand [IMAGE_INPUT WEB_SEARCH]",
        "preset/high "Perplexity preset: high" null/null [] and by hand [IMAGE_INPUT WEB_SEARCH]",
        "preset/xhigh "Perplexity preset: xhigh" null/null [] and by hand [IMAGE_INPUT WEB_SEARCH]",
      ]
    `);
    expect((await listed('PERPLEXITY', () => ({ data: [] })))[0]).toContain('perplexity/sonar');
  });

  test('the list of models of xAI joins prices with context lengths', async () => {
    const models = [
      {
        id: 'grok-4.3',
        input_modalities: ['text', 'image'],
        output_modalities: ['text'],
        prompt_text_token_price: 12_500,
        cached_prompt_text_token_price: 2_000,
        completion_text_token_price: 25_000,
      },
      { id: 'grok-4.3-multi-agent', input_modalities: ['text'], output_modalities: ['text'] },
      { id: 'grok-imagine', input_modalities: ['text'], output_modalities: ['image'] },
      ...ODD_ENTRIES,
    ];
    const data = [
      { id: 'grok-4.3', context_length: 256_000, capabilities: { reasoning_effort: ['low', 'high'] } },
      ...ODD_ENTRIES,
    ];
    expect(
      await listed('XAI', (path) => (path.endsWith('/language-models') ? { models } : { data })),
    ).toMatchInlineSnapshot(`
      [
        "grok-4.3 "grok-4.3" 256000/null [IMAGE_INPUT REASONING] $1.25/2.5/0.2",
      ]
    `);
    expect(await listed('XAI', (path) => (path.endsWith('/language-models') ? { models } : []))).toHaveLength(
      1,
    );
  });

  test('the list of models of Novita has what chats and runs, with prices', async () => {
    const model = {
      id: 'deepseek/deepseek-v3.1',
      display_name: 'Deepseek V3.1',
      context_size: 131_072,
      max_output_tokens: 32_768,
      model_type: 'chat',
      features: ['reasoning'],
      input_modalities: ['text'],
      endpoints: ['chat/completions'],
      status: 1,
      input_token_price_per_m: 2_700,
      output_token_price_per_m: 10_000,
      pricing: { input_cache_read: { price_per_m: 1_350 } },
    };
    const data = [
      model,
      { ...model, id: 'asleep', status: 0 },
      { ...model, id: 'image', model_type: 'image' },
      { ...model, id: 'elsewhere', endpoints: ['embeddings'] },
      ...ODD_ENTRIES,
    ];
    expect(await listed('NOVITA', () => ({ data }))).toMatchInlineSnapshot(`
      [
        "deepseek/deepseek-v3.1 "Deepseek V3.1" 131072/32768 [REASONING] $0.27/1/0.135",
      ]
    `);
  });

  test('the list of models of a server of one’s own is taken as it is, without what only embeds', async () => {
    const data = [
      { id: 'llama3:8b', object: 'model', owned_by: 'library' },
      { id: 'Qwen/Qwen3-32B', max_model_len: 40_960 },
      { id: 'some/model', name: 'Some Model', context_length: 8_192 },
      { id: 'text-embedding-nomic-embed-text-v1.5' },
      ...ODD_ENTRIES,
    ];
    expect(await listed('CUSTOM', () => ({ object: 'list', data }))).toMatchInlineSnapshot(`
      [
        "llama3:8b "llama3:8b" null/null []",
        "Qwen/Qwen3-32B "Qwen/Qwen3-32B" 40960/null []",
        "some/model "Some Model" 8192/null []",
      ]
    `);
  });

  test.each<[string, unknown]>([
    ['a bare array', [{ id: 'a' }, { id: 'b' }]],
    ['data', { object: 'list', data: [{ id: 'a' }, { id: 'b' }] }],
    ['models', { models: [{ id: 'a' }, { id: 'b' }] }],
    ['result', { success: true, result: [{ id: 'a' }, { id: 'b' }] }],
    ['models in data', { data: { models: [{ id: 'a' }, { id: 'b' }] } }],
    ['models beside data', { models: [{ name: 'a', model: 'a' }], data: [{ id: 'a' }, { id: 'b' }] }],
    ['an empty list beside one', { data: [], models: [{ id: 'a' }, { id: 'b' }] }],
    ['names alone', { data: ['a', 'b'] }],
    ['the names of Ollama', { models: [{ name: 'a', model: 'a' }, { name: 'b' }] }],
    ['the names of LM Studio', { models: [{ key: 'a', type: 'llm' }, { key: 'b' }] }],
  ])('the list of models of a server of one’s own may come in any envelope: %s', async (_what, list) => {
    const names = (await listed('CUSTOM', () => list as object)).map((line) => line.split(' ')[0]);
    expect(names).toEqual(['a', 'b']);
  });

  test.each<[string, unknown]>([
    ['an object', {}],
    ['something else', { status: 'ok', data: 'none' }],
    ['a number', 7],
  ])('the list of models that is %s is no list, and not taken for an empty one', async (_what, list) => {
    for (const provider of ['CUSTOM', 'OPENAI', 'ANTHROPIC', 'GEMINI', 'MISTRAL'] as const)
      await expect(listed(provider, () => list as object)).rejects.toMatchObject({ code: 'PROVIDER_ERROR' });
  });

  test('the list of models of a server of one’s own is judged by what it says of its models, and by names only where it says nothing', async () => {
    const chats: object[] = [
      { id: 'image-chat', type: 'chat' },
      { id: 'whisperer-of-tales' },
      { id: 'text-embedding-tutor', architecture: { output_modalities: ['text'] } },
      { id: 'painter', output_modalities: ['image', 'text'] },
      { id: 'seer', pipeline_tag: 'image-text-to-text' },
      { id: 'listener', architecture: { modality: 'text+audio->text' } },
      { id: 'research-agent' },
      { id: 'qwen2-audio-7b-instruct' },
      { id: 'olive', capabilities: ['completion', 'tools'] },
      { id: 'command', endpoints: ['chat', 'generate'] },
      { id: 'gpt-oss', mode: 'chat' },
      { id: 'cloud', task: { name: 'Text Generation' } },
    ];
    const others: object[] = [
      ...['image', 'audio', 'embedding', 'embeddings', 'moderation', 'rerank', 'transcribe', 'video'].map(
        (type) => ({ id: `plain-${type.length}`, type }),
      ),
      { id: 'flux', architecture: { input_modalities: ['text'], output_modalities: ['image'] } },
      { id: 'flux-2', architecture: { modality: 'text->image' } },
      { id: 'ears', pipeline_tag: 'automatic-speech-recognition' },
      { id: 'ears-2', mode: 'audio_transcription' },
      { id: 'vectors', capabilities: ['embedding'] },
      { id: 'vectors-2', capabilities: { chat_completion: false, embeddings: true } },
      { id: 'vectors-3', endpoints: ['/v1/embeddings'] },
      { id: 'asleep', active: false },
      ...['whisper-large-v3', 'gpt-4o-transcribe', 'bge-reranker', 'nomic-embed-text', 'tts-1-hd'].map(
        (id) => ({
          id,
        }),
      ),
      ...[
        'dall-e-3',
        'gpt-image-1',
        'gemini-2.5-flash-image',
        'nano-banana-pro',
        'omni-moderation-latest',
      ].map((id) => ({ id })),
    ];
    const lines = await listed('CUSTOM', () => ({ data: [...others, ...chats, ...ODD_ENTRIES] }));
    expect(lines.map((line) => line.split(' ')[0])).toEqual(
      chats.map((entry) => (entry as { id: string }).id),
    );
  });

  test('the list of models of a server of one’s own keeps the facts that it carries, and a price only where its unit is certain', async () => {
    const data = [
      {
        id: 'gateway',
        name: 'Gateway: Model',
        context_length: 200_000,
        top_provider: { max_completion_tokens: 64_000 },
        architecture: { input_modalities: ['text', 'image', 'file'], output_modalities: ['text'] },
        supported_parameters: ['reasoning', 'tools'],
        pricing: { prompt: '0.00000025', completion: '0.000015', input_cache_read: '0.000000025' },
      },
      { id: 'free', pricing: { prompt: '0', completion: '0' } },
      { id: 'chosen-later', pricing: { prompt: '-1', completion: '-1' } },
      { id: 'no-unit', pricing: { input: 0.18, output: 0.18 }, context_length: 8_192 },
      { id: 'numbers', pricing: { prompt: 0.3, completion: 1.2 } },
      { id: 'euros', pricing: { prompt: '0.000001', completion: '0.000001', currency: 'EUR' } },
      { id: 'nonsense', pricing: { prompt: 'Infinity', completion: '1e300' } },
      { id: 'local', type: 'vlm', max_context_length: 131_072, loaded_context_length: 4_096 },
      { id: 'fast', context_window: 131_072, max_completion_tokens: 8_192 },
      {
        id: 'edge',
        context_window: 200_000,
        max_tokens: 64_000,
        capabilities: ['completion', 'vision', 'thinking'],
      },
      { id: 'unclear', max_tokens: 8_192 },
    ];
    expect(await listed('CUSTOM', () => ({ data }))).toMatchInlineSnapshot(`
      [
        "gateway "Gateway: Model" 200000/64000 [IMAGE_INPUT PDF_INPUT REASONING] $0.25/15/0.025",
        "free "free" null/null [] $0/0/null",
        "chosen-later "chosen-later" null/null []",
        "no-unit "no-unit" 8192/null []",
        "numbers "numbers" null/null []",
        "euros "euros" null/null []",
        "nonsense "nonsense" null/null []",
        "local "local" 4096/null [IMAGE_INPUT]",
        "fast "fast" 131072/8192 []",
        "edge "edge" 200000/64000 [IMAGE_INPUT REASONING]",
        "unclear "unclear" null/null []",
      ]
    `);
  });

  test.each<[ProviderName, object]>([
    ['ANTHROPIC', { data: [{ id: 'first' }], has_more: true, last_id: 'first' }],
    [
      'GEMINI',
      {
        models: [{ name: 'models/first', supportedGenerationMethods: ['generateContent'] }],
        nextPageToken: 'x',
      },
    ],
  ])('the list of models of %s keeps the first page when a later one fails', async (provider, page) => {
    const failures: ScriptedResponse[] = [
      json({ error: { message: 'Overloaded' } }, 500),
      json({ error: { message: 'Overloaded' } }),
      json({ status: 'ok' }),
      json({}, 401),
      { headers: { 'content-type': 'text/html' }, body: '<html>' },
      { body: '{"data":[{"id":"cu' },
    ];
    for (const failure of failures) {
      const { providers } = scriptedProviders((_request, number) => (number === 1 ? json(page) : failure));
      const models = await providers[provider].listModels(callOf(providers, provider));
      expect(models.map(({ name }) => name)).toEqual(['first']);
    }
  });

  test('the list of models ends although the provider says "more" for ever', async () => {
    let pages = 0;
    const more = () => {
      pages += 1;
      return { data: [{ id: `claude-${pages}` }], has_more: true, last_id: 'x', nextPageToken: 'x' };
    };
    expect(await listed('ANTHROPIC', more)).toHaveLength(20);
    pages = 0;
    await listed('GEMINI', more);
    expect(pages).toBe(20);
  });
});

describe('the check of a key', () => {
  const OPENAI_KEY_ERROR = {
    error: { message: `Incorrect API key provided: ${SECRET}.`, code: 'invalid_api_key' },
  };
  const SCOPES = { error: { message: 'You have insufficient permissions. Missing scopes: api.model.read' } };
  const GEMINI_EXPIRED = [
    {
      error: {
        code: 400,
        message: 'API key expired. Please renew the API key.',
        status: 'INVALID_ARGUMENT',
        details: [{ reason: 'API_KEY_INVALID' }],
      },
    },
  ];
  const NOT_FOUND = { error: { message: 'response not found', type: 'not_found', code: 404 } };
  const XAI_KEY = { api_key_blocked: false, api_key_disabled: false, team_blocked: false };
  const HTML = { headers: { 'content-type': 'text/html' }, body: '<html>Hello</html>' };

  test.each<[ProviderName, string, ScriptedResponse, unknown]>([
    ['OPENAI', 'an accepted key', json({ data: [{ id: 'gpt-4.1' }] }), ['gpt-4.1']],
    ['OPENAI', 'an accepted key of an empty project', json({ data: [] }), []],
    ['OPENAI', 'a key that may not list', json(SCOPES, 403), null],
    ['OPENAI', 'a wrong key', json(OPENAI_KEY_ERROR, 401), 'INVALID_KEY'],
    [
      'OPENAI',
      'a key of a refused country',
      json({ error: { code: 'unsupported_country_region_territory' } }, 403),
      'KEY_LACKS_PERMISSION',
    ],
    ['ANTHROPIC', 'an accepted key', json({ data: [{ id: 'claude-x' }], has_more: false }), ['claude-x']],
    [
      'ANTHROPIC',
      'a wrong key',
      json({ type: 'error', error: { type: 'authentication_error', message: 'invalid x-api-key' } }, 401),
      'INVALID_KEY',
    ],
    ['GEMINI', 'an expired key', json(GEMINI_EXPIRED, 400), 'KEY_EXPIRED'],
    ['MISTRAL', 'a wrong key', { status: 401 }, 'INVALID_KEY'],
    ['PERPLEXITY', 'an accepted key', json(NOT_FOUND, 404), null],
    ['PERPLEXITY', 'a wrong key', json({ error: { message: 'forbidden', code: 401 } }, 401), 'INVALID_KEY'],
    [
      'PERPLEXITY',
      'a key out of credit',
      json({ error: { message: 'No credits left', code: 401 } }, 401),
      'QUOTA_EXCEEDED',
    ],
    ['PERPLEXITY', 'a wrong path', { status: 404, ...HTML }, 'PROVIDER_ERROR'],
    ['PERPLEXITY', 'an inconclusive answer', json({}, 400), 'PROVIDER_ERROR'],
    ['PERPLEXITY', 'a busy provider', json({}, 429), 'RATE_LIMITED'],
    ['XAI', 'an accepted key', json(XAI_KEY), null],
    ['XAI', 'a blocked key', json({ ...XAI_KEY, api_key_blocked: true }), 'INVALID_KEY'],
    ['XAI', 'a disabled key', json({ ...XAI_KEY, api_key_disabled: true }), 'INVALID_KEY'],
    ['XAI', 'a blocked team', json({ ...XAI_KEY, team_blocked: true }), 'INVALID_KEY'],
    [
      'XAI',
      'a wrong key',
      json({ code: 'invalid-argument', error: 'Incorrect API key provided: xa***.' }, 400),
      'INVALID_KEY',
    ],
    ['NOVITA', 'an accepted key', json({ availableBalance: '120000' }), null],
    ['NOVITA', 'a balance in words of the future', json({ balance: { amount: 1 } }), null],
    ['NOVITA', 'an empty balance', json({ availableBalance: '0' }), 'QUOTA_EXCEEDED'],
    [
      'NOVITA',
      'a wrong key',
      json({ code: 403, reason: 'INVALID_API_KEY', message: 'invalid api-key' }, 403),
      'INVALID_KEY',
    ],
    ['CUSTOM', 'a server with models', json({ data: [{ id: 'llama3' }] }), ['llama3']],
    ['CUSTOM', 'a server without a list', json({ error: 'not found' }, 404), null],
    ['CUSTOM', 'a web page', HTML, 'PROVIDER_ERROR'],
    [
      'CUSTOM',
      'a refusal with status 200',
      json({ error: { message: 'Unauthorized', code: 401 } }),
      'INVALID_KEY',
    ],
    ['CUSTOM', 'a wrong key', json({ error: 'Unauthorized' }, 401), 'INVALID_KEY'],
  ])('the check of a key at %s results in %s', async (provider, _title, response, expected) => {
    const { providers, egress } = scriptedProviders(() => response);
    const check = providers[provider].checkKey(callOf(providers, provider));
    const outcome = await check.then(
      (models) => models?.map(({ name }) => name) ?? null,
      (error: unknown) => codeOf(error),
    );
    expect(outcome).toEqual(expected);
    for (const { method, url, headers, body } of egress.requests) {
      expect(method).toBe('GET');
      expect(`${url}${body ?? ''}`).not.toContain(SECRET);
      expect(new URL(url).origin).toBe(new URL(callOf(providers, provider).baseUrl).origin);
      expect(JSON.stringify(headers)).toContain(SECRET);
    }
  });

  test('the check of a key without an answer of the provider is undecided, and never shows the key', async () => {
    const { providers } = scriptedProviders(() => json(OPENAI_KEY_ERROR, 500));
    const error = await providers.OPENAI.checkKey(callOf(providers, 'OPENAI')).catch(
      (thrown: unknown) => thrown,
    );
    expect(codeOf(error)).not.toBe('INVALID_KEY');
    expect([error, (error as { providerText: string }).providerText].join()).not.toContain('canary');
  });
});

/** One line for a model: name, title, context/output, capabilities listed and stated by hand, input/output/cached price. */
function show(model: ListedModel, provider: Provider): string {
  const { name, title, contextWindow, maxOutputTokens, capabilities, price } = model;
  const byHand = provider.manualFacts(model).capabilities?.value ?? [];
  const added = byHand.length === 0 ? '' : ` and by hand [${byHand.join(' ')}]`;
  const prices = price ? ` $${price.input}/${price.output}/${price.cachedInput}` : '';
  return `${name} "${title}" ${contextWindow}/${maxOutputTokens} [${capabilities.join(' ')}]${added}${prices}`;
}
