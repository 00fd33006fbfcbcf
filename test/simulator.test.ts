import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../src/simulator/simulator.ts';

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ paceMs: 0 });
});
afterAll(() => simulator.close());

type Name = keyof Simulator['baseUrls'];
const NAMES: Name[] = ['OPENAI', 'ANTHROPIC', 'GEMINI', 'MISTRAL', 'PERPLEXITY', 'XAI', 'NOVITA', 'CUSTOM'];

const MODELS: Record<Name, { plain: string; faulty: string; listPath: string }> = {
  OPENAI: { plain: 'gpt-4.1-nano', faulty: 'gpt-sim-', listPath: '/models' },
  ANTHROPIC: { plain: 'claude-haiku-4-5-20251001', faulty: 'claude-sim-', listPath: '/v1/models?limit=1000' },
  GEMINI: { plain: 'gemini-2.5-flash-lite', faulty: 'gemini-sim-', listPath: '/models?pageSize=1000' },
  MISTRAL: { plain: 'mistral-small-latest', faulty: 'mistral-sim-', listPath: '/models' },
  PERPLEXITY: { plain: 'perplexity/sonar', faulty: 'perplexity/sim-', listPath: '/v1/models' },
  XAI: { plain: 'grok-4.3', faulty: 'grok-sim-', listPath: '/language-models' },
  NOVITA: { plain: 'deepseek/deepseek-v3.1', faulty: 'simulated/sim-', listPath: '/models' },
  CUSTOM: { plain: 'llama3.2:latest', faulty: 'sim-', listPath: '/models' },
};

/** The last thing in a proper stream of each provider. */
const TERMINAL: Record<Name, RegExp> = {
  OPENAI: /data: \[DONE\]\s+$/,
  ANTHROPIC: /event: message_stop\ndata: \{"type":"message_stop"\}\n\n$/,
  GEMINI: /"finishReason":"STOP".*\n\n$/,
  MISTRAL: /data: \[DONE\]\s+$/,
  PERPLEXITY: /data: \{"type":"response.completed".*\n\n$/,
  XAI: /data: \[DONE\]\s+$/,
  NOVITA: /data: \[DONE\]\s+$/,
  CUSTOM: /data: \[DONE\]\s+$/,
};

interface Asking {
  key?: string;
  body?: Record<string, unknown>;
  signal?: AbortSignal;
}

function headersFor(name: Name, key: string): Record<string, string> {
  if (!key) return {};
  if (name === 'ANTHROPIC') return { 'x-api-key': key, 'anthropic-version': '2023-06-01' };
  return name === 'GEMINI' ? { 'x-goog-api-key': key } : { authorization: `Bearer ${key}` };
}

function ask(name: Name, model: string, text: string, asking: Asking = {}): Promise<Response> {
  const base = simulator.baseUrls[name];
  const message = { role: 'user', content: text };
  const usage = { stream_options: { include_usage: true } };
  const bodies: Record<Name, [string, object]> = {
    OPENAI: ['/chat/completions', { model, messages: [message], stream: true, ...usage }],
    ANTHROPIC: ['/v1/messages', { model, messages: [message], max_tokens: 4096, stream: true }],
    GEMINI: [
      `/models/${model}:streamGenerateContent?alt=sse`,
      { contents: [{ role: 'user', parts: [{ text }] }] },
    ],
    MISTRAL: ['/chat/completions', { model, messages: [message], stream: true }],
    PERPLEXITY: ['/v1/agent', { model, input: [{ type: 'message', ...message }], stream: true }],
    XAI: ['/chat/completions', { model, messages: [message], stream: true }],
    NOVITA: ['/chat/completions', { model, messages: [message], stream: true, ...usage }],
    CUSTOM: ['/chat/completions', { model, messages: [message], stream: true, ...usage }],
  };
  const [path, body] = bodies[name];
  return fetch(base + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headersFor(name, asking.key ?? 'sk-sim-test') },
    body: JSON.stringify({ ...body, ...asking.body }),
    ...(asking.signal ? { signal: asking.signal } : {}),
  });
}

function list(name: Name, key: string): Promise<Response> {
  return fetch(simulator.baseUrls[name] + MODELS[name].listPath, { headers: headersFor(name, key) });
}

/** Each event's data, parsed; `[DONE]` is left out. */
function eventsOf(stream: string): Record<string, unknown>[] {
  return stream
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice('data: '.length)));
}

/** The answer's text, read as a client of that provider reads it. */
function textOf(name: Name, stream: string): string {
  return eventsOf(stream)
    .map((event) => {
      const { choices, candidates, delta, type } = event as {
        choices?: { delta: { content?: unknown } }[];
        candidates?: { content: { parts: { text: string; thought?: boolean }[] } }[];
        delta?: string | { text?: string };
        type?: string;
      };
      if (candidates)
        return candidates[0]?.content.parts.map((part) => (part.thought ? '' : part.text)).join('');
      if (type === 'response.output_text.delta') return delta;
      if (name === 'ANTHROPIC')
        return type === 'content_block_delta' ? (delta as { text?: string }).text : '';
      const content = choices?.[0]?.delta.content;
      return typeof content === 'string' ? content : '';
    })
    .join('');
}

/** Reads until the connection ends, however it ends. */
async function readAll(response: Response): Promise<{ text: string; isCut: boolean }> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true });
    return { text, isCut: false };
  } catch {
    return { text, isCut: true };
  }
}

test.each(NAMES)(
  '%s streams an answer that says it is simulated and quotes the question, to its proper end',
  async (name) => {
    const response = await ask(name, MODELS[name].plain, 'How do I prune roses?');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const stream = await response.text();
    expect(stream).toMatch(TERMINAL[name]);
    expect(textOf(name, stream)).toContain('simulated answer');
    expect(textOf(name, stream)).toContain('“How do I prune roses?”');
  },
);

test.each(NAMES)('%s counts exactly the tokens that were asked for', async (name) => {
  const stream = await (await ask(name, MODELS[name].plain, 'Hello\nsimulate: tokens=40')).text();
  const usage =
    /"(?:completion_tokens|candidatesTokenCount|output_tokens)":(\d+)(?!.*"(?:completion_tokens|candidatesTokenCount|output_tokens)":)/s;
  expect(usage.exec(stream)?.[1]).toBe('40');
});

test.each(NAMES)('%s says whole conversations back when asked to', async (name) => {
  const stream = await (await ask(name, MODELS[name].plain, 'simulate: echo')).text();
  expect(JSON.parse(textOf(name, stream)).turns).toEqual([
    { role: 'user', text: 'simulate: echo', attachments: [] },
  ]);
});

const CHOOSES_BY_BODY = NAMES.filter((name) => name !== 'GEMINI'); // Gemini is asked at another path
test.each(CHOOSES_BY_BODY)('%s answers in one document when no stream is asked for', async (name) => {
  const response = await ask(name, MODELS[name].plain, 'simulate: say Good morning.', {
    body: { stream: false },
  });
  expect(response.headers.get('content-type')).toBe('application/json');
  expect(await response.text()).toContain('"Good morning."');
});

test.each(NAMES)('%s refuses a missing key unless it needs none', async (name) => {
  const response = await ask(name, MODELS[name].plain, 'Hello', { key: '' });
  expect(response.status).toBe(name === 'CUSTOM' ? 200 : name === 'GEMINI' ? 403 : 401);
});

test('a wrong key, an empty account and a rate limit are each answered in the provider’s own way', async () => {
  const replies: string[] = [];
  for (const name of NAMES) {
    for (const fault of ['wrong', 'quota', 'limited', 'forbidden', 'down']) {
      const response = await ask(name, MODELS[name].plain, 'Hello', { key: `sk-sim-${fault}` });
      const body = (await response.text()).replace(/\s+/g, ' ').slice(0, 90);
      replies.push(
        `${name} ${fault} ${response.status} ${response.headers.get('retry-after') ?? '-'} ${body}`,
      );
    }
  }
  expect(replies).toMatchInlineSnapshot(`
    [
      "OPENAI wrong 401 - {"error":{"message":"Incorrect API key provided: ***. You can find your API key at https:/",
      "OPENAI quota 429 - {"error":{"message":"You exceeded your current quota, please check your plan and billing d",
      "OPENAI limited 429 30 {"error":{"message":"Rate limit reached for requests in organization org-simulated on requ",
      "OPENAI forbidden 403 - {"error":{"message":"You have insufficient permissions for this operation. Missing scopes:",
      "OPENAI down 503 - {"error":{"message":"Service unavailable. Please try again later.","type":"service_unavail",
      "ANTHROPIC wrong 401 - {"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"},"req",
      "ANTHROPIC quota 400 - {"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is ",
      "ANTHROPIC limited 429 30 {"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed th",
      "ANTHROPIC forbidden 403 - {"type":"error","error":{"type":"permission_error","message":"Your API key does not have p",
      "ANTHROPIC down 503 - {"type":"error","error":{"type":"api_error","message":"Service unavailable"},"request_id":",
      "GEMINI wrong 401 - { "error": { "code": 401, "message": "Request had invalid authentication credentials.", "s",
      "GEMINI quota 429 - { "error": { "code": 429, "message": "You exceeded your current quota, please check your p",
      "GEMINI limited 429 - { "error": { "code": 429, "message": "You exceeded your current quota, please check your p",
      "GEMINI forbidden 403 - { "error": { "code": 403, "message": "Requests to this API are blocked.", "status": "PERMI",
      "GEMINI down 503 - { "error": { "code": 503, "message": "The service is currently unavailable.", "status": "U",
      "MISTRAL wrong 401 - {"detail":"Invalid API Key"}",
      "MISTRAL quota 402 - {"object":"error","message":"API budget exhausted.","type":"billing_api_budget_exhausted",",
      "MISTRAL limited 429 30 {"object":"error","message":"Rate limit exceeded","type":"rate_limited","param":null,"code",
      "MISTRAL forbidden 403 - {"object":"error","message":"Your subscription tier does not include this resource.","type",
      "MISTRAL down 503 - {"object":"error","message":"Service unavailable.","type":"internal_server_error","param":",
      "PERPLEXITY wrong 401 - <html> <head><title>401 Authorization Required</title></head> <body> <center><h1>401 Autho",
      "PERPLEXITY quota 401 - {"error":{"message":"Your API credits are exhausted. Please add credits in your billing se",
      "PERPLEXITY limited 429 30 {"error":{"message":"Request rate limit exceeded, please try again later.","type":"request",
      "PERPLEXITY forbidden 403 - {"error":{"message":"This API key is not allowed to perform this request.","type":"forbidd",
      "PERPLEXITY down 503 - {"error":{"message":"The service is overloaded, please try again later.","type":"service_u",
      "XAI wrong 400 - {"code":"Client specified an invalid argument","error":"Incorrect API key provided: sk***n",
      "XAI quota 403 - {"code":"The caller does not have permission to execute the specified operation","error":"",
      "XAI limited 429 30 {"code":"Some resource has been exhausted","error":"Too many requests for team 00000000-00",
      "XAI forbidden 403 - {"code":"The caller does not have permission to execute the specified operation","error":"",
      "XAI down 503 - {"code":"The service is currently unavailable","error":"The service is temporarily overloa",
      "NOVITA wrong 401 - {"code":401,"reason":"FAILED_TO_AUTH","message":"key not found","metadata":{}}",
      "NOVITA quota 403 - {"code":403,"reason":"NOT_ENOUGH_BALANCE","message":"not enough balance","metadata":{}}",
      "NOVITA limited 429 30 {"code":429,"reason":"RATE_LIMIT_EXCEEDED","message":"rate limit exceeded: RPM","metadata"",
      "NOVITA forbidden 403 - {"code":403,"reason":"MODEL_ACCESS_DENIED","message":"identity verification is required","",
      "NOVITA down 503 - {"code":503,"reason":"SERVICE_UNAVAILABLE","message":"service is overloaded, please try ag",
      "CUSTOM wrong 401 - {"error":"Unauthorized"}",
      "CUSTOM quota 402 - {"error":{"code":402,"message":"Insufficient credits. Add more using your account page.","",
      "CUSTOM limited 429 30 {"error":{"code":429,"message":"Rate limit exceeded, too many requests.","type":"rate_limi",
      "CUSTOM forbidden 403 - {"error":{"code":403,"message":"This key may not use this server.","type":"permission_erro",
      "CUSTOM down 503 - <html><head><title>503 Service Temporarily Unavailable</title></head></html> ",
    ]
  `);
});

test.each(NAMES)('%s repeats the whole key in its refusal when the key asks for it', async (name) => {
  const response = await ask(name, MODELS[name].plain, 'Hello', { key: 'sk-sim-echo-canary' });
  expect(response.ok).toBe(false);
  expect(await response.text()).toContain('sk-sim-echo-canary');
});

test.each(NAMES)(
  '%s lists its models, the fault models for a key that asks for them, and nothing for an empty key',
  async (name) => {
    const usual = await (await list(name, 'sk-sim-test')).text();
    expect(usual).toContain(MODELS[name].plain);
    expect(usual).not.toContain('sim-cut');
    expect(await (await list(name, 'sk-sim-faults')).text()).toContain(`${MODELS[name].faulty}cut`);
    expect(await (await list(name, 'sk-sim-empty')).text()).not.toContain(MODELS[name].plain);
    expect((await list(name, 'sk-sim-nolist')).status).toBe(500);
  },
);

test('Anthropic and Gemini list in pages', async () => {
  const page = async (name: Name, path: string) => {
    const response = await fetch(simulator.baseUrls[name] + path, { headers: headersFor(name, 'sk-sim') });
    return (await response.json()) as {
      last_id?: string;
      has_more?: boolean;
      nextPageToken?: string;
      data?: { id: string }[];
      models?: { name: string }[];
    };
  };
  const first = await page('ANTHROPIC', '/v1/models?limit=5');
  const last = await page('ANTHROPIC', `/v1/models?limit=5&after_id=${first.last_id}`);
  expect([first.data?.length, first.has_more, last.data?.length, last.has_more]).toEqual([5, true, 3, false]);

  const some = await page('GEMINI', '/models?pageSize=4');
  const rest = await page('GEMINI', `/models?pageSize=4&pageToken=${some.nextPageToken}`);
  expect([some.models?.length, rest.models?.length, rest.nextPageToken]).toEqual([4, 3, undefined]);
});

test('keys are checked for free where a provider has an endpoint for it', async () => {
  const check = async (name: Name, url: string, key: string) => {
    const response = await fetch(url, { headers: headersFor(name, key) });
    return [response.status, (await response.text()).slice(0, 40)];
  };
  const { PERPLEXITY, XAI, NOVITA } = simulator.baseUrls;
  const balance = `${NOVITA.replace('/openai/v1', '')}/openapi/v1/billing/balance/detail`;
  expect([
    await check('PERPLEXITY', `${PERPLEXITY}/v1/responses/resp_00000000`, 'sk-sim'),
    await check('PERPLEXITY', `${PERPLEXITY}/v1/responses/resp_00000000`, 'sk-sim-quota'),
    await check('XAI', `${XAI}/api-key`, 'sk-sim'),
    await check('XAI', `${XAI}/api-key`, 'sk-sim-wrong'),
    await check('XAI', `${XAI}/language-models`, 'sk-sim-disabled'),
    await check('NOVITA', balance, 'sk-sim'),
    await check('NOVITA', balance, 'sk-sim-quota'),
    await check('NOVITA', balance, 'sk-sim-expired'),
  ]).toMatchInlineSnapshot(`
    [
      [
        404,
        "{"error":{"message":"The requested resou",
      ],
      [
        401,
        "{"error":{"message":"Your API credits ar",
      ],
      [
        200,
        "{"redacted_api_key":"xai-…-sim","user_id",
      ],
      [
        400,
        "{"code":"Client specified an invalid arg",
      ],
      [
        403,
        "{"code":"The caller does not have permis",
      ],
      [
        200,
        "{"availableBalance":"250000","cashBalanc",
      ],
      [
        200,
        "{"availableBalance":"0","cashBalance":"0",
      ],
      [
        403,
        "{"code":403,"reason":"INVALID_API_KEY","",
      ],
    ]
  `);
});

test.each(NAMES)('%s can be cut off, end early, fail first and fail half-way', async (name) => {
  const text = 'simulate: say Good morning to all of you, dear friends.';
  const play = async (fault: string) => readAll(await ask(name, MODELS[name].faulty + fault, text));
  const cut = await play('cut');
  expect(cut.isCut).toBe(true);
  expect(textOf(name, cut.text)).toMatch(/^Good morning to/);
  expect(textOf(name, cut.text)).not.toContain('friends');
  const eof = await play('eof');
  expect(eof).toMatchObject({ isCut: false, text: expect.not.stringMatching(TERMINAL[name]) });
  expect(textOf(name, eof.text)).toBe(textOf(name, cut.text));

  const failure = /error|UNAVAILABLE/;
  const first = await play('error-first');
  expect(textOf(name, first.text)).toBe('');
  expect(first.text).toMatch(failure);
  const later = await play('error');
  expect(textOf(name, later.text)).toBe(textOf(name, cut.text));
  expect(later.text).toMatch(failure);
});

test.each(NAMES)('%s says the same however its bytes are cut', async (name) => {
  const whole = await ask(name, MODELS[name].plain, 'simulate: say Größe 日本語 👩‍👩‍👧‍👦 done').then(
    (answer) => answer.text(),
  );
  for (const fault of ['split', 'crlf', 'burst']) {
    const text = `simulate: ${fault} say Größe 日本語 👩‍👩‍👧‍👦 done`;
    const cut = await readAll(await ask(name, MODELS[name].plain, text));
    expect(cut.text.includes('\r\n')).toBe(fault !== 'burst');
    expect(textOf(name, cut.text)).toBe(textOf(name, whole));
  }
});

test('a split answer has chunks that end inside a character and between CR and LF', async () => {
  const response = await ask('OPENAI', 'gpt-sim-split', 'Hello');
  const ends: number[] = [];
  const starts: number[] = [];
  for await (const chunk of response.body ?? []) {
    starts.push(chunk[0] ?? 0);
    ends.push(chunk.at(-1) ?? 0);
  }
  expect(starts.some((byte) => (byte & 0xc0) === 0x80)).toBe(true);
  expect(ends.includes(0x0d)).toBe(true);
});

test.each(NAMES)('%s ends properly without text, by its filter and by its limit', async (name) => {
  const play = async (fault: string) => (await ask(name, MODELS[name].faulty + fault, 'Hello')).text();
  const empty = await play('empty');
  expect(empty).toMatch(TERMINAL[name]);
  expect(textOf(name, empty)).toBe('');
  expect(await play('filter')).toMatch(/content_filter|refusal|SAFETY/);
  expect(await play('length')).toMatch(/"length"|max_tokens|MAX_TOKENS|max_output_tokens/);
});

test.each(NAMES)('%s shows its reasoning and its sources where it has them', async (name) => {
  const reasoning = await (await ask(name, `${MODELS[name].faulty}reasoning`, 'Hello')).text();
  const shows =
    /thinking_delta|"thought":true|"type":"thinking"|reasoning\.started|"reasoning_content"|"reasoning":/;
  expect(shows.test(reasoning)).toBe(name !== 'OPENAI');
  const sources = await (await ask(name, `${MODELS[name].faulty}citations`, 'Hello')).text();
  const names = /example\.com\/handbook|reference_ids/;
  expect(names.test(sources)).toBe(name !== 'NOVITA' && name !== 'CUSTOM');
});

test('difficult text arrives as it is: halves of emoji, NUL, a line of two megabytes', async () => {
  const play = async (fault: string) => (await ask('OPENAI', `gpt-sim-${fault}`, 'Hello')).text();
  expect(await play('surrogates')).toContain('"content":" \\ud83d"');
  expect(await play('nul')).toContain('be\\u0000tween');
  expect((await play('huge')).length).toBeGreaterThan(2 * 1024 * 1024);
  expect(await play('garbage')).toMatch(/this is": not JSON.*\[DONE\]/s);
  const page = await ask('OPENAI', 'gpt-sim-html', 'Hello');
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
});

test.each(NAMES)(
  '%s refuses for a model’s own reasons, and answers a limited one at the third try',
  async (name) => {
    const status = async (fault: string) =>
      (await ask(name, MODELS[name].faulty + fault, 'Shall we?')).status;
    expect(await status('limited')).toBe(429);
    expect(await status('limited')).toBe(429);
    expect(await status('limited')).toBe(200);
    expect(await status('limited-always')).toBe(429);
    for (const fault of ['overloaded', 'unknown', 'disabled', 'long'])
      expect(await status(fault)).toBeGreaterThanOrEqual(400);
    expect((await ask(name, 'no-such-model', 'Hello')).status).toBeGreaterThanOrEqual(400);
  },
);

test('a silent stream and an endless one end when the client leaves, and the request log shows it', async () => {
  for (const fault of ['stall', 'flood']) {
    const leaving = new AbortController();
    const response = await ask('XAI', `grok-sim-${fault}`, `Leave ${fault}`, { signal: leaving.signal });
    const request = await simulator.waitForRequest(({ body }) => body.includes(`Leave ${fault}`));
    await response.body?.getReader().read();
    expect(request.ending).toBeNull();
    expect(simulator.openStreams()).toBeGreaterThan(0);
    leaving.abort();
    expect(await request.closed).toBe('left');
  }
  expect(simulator.openStreams()).toBe(0);
});

test('a key that hangs is never answered', async () => {
  const leaving = new AbortController();
  const answer = ask('OPENAI', 'gpt-4.1-nano', 'Is anyone there?', {
    key: 'sk-sim-hang',
    signal: leaving.signal,
  });
  const request = await simulator.waitForRequest(({ body }) => body.includes('Is anyone there?'));
  leaving.abort();
  await expect(answer).rejects.toThrow();
  expect(await request.closed).toBe('left');
});

test('a held answer goes on only as far as it is released', async () => {
  const response = await ask('XAI', 'grok-sim-held', 'simulate: tokens=3');
  const request = await simulator.waitForRequest(
    ({ path, body }) => path.startsWith('/xai') && body.includes('sim-held'),
  );
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const read = async () => (await reader?.read())?.value ?? '';
  request.release(1);
  expect(eventsOf(await read())).toHaveLength(1);
  request.release(1);
  expect(eventsOf(await read())).toHaveLength(1);
  expect(request.ending).toBeNull();
  simulator.release();
  let rest = '';
  for (let value = await read(); value !== ''; value = await read()) rest += value;
  expect(rest).toMatch(TERMINAL.XAI);
  expect(await request.closed).toBe('finished');
});

test('an answer stops at the limit the client set, and reasoning uses it up', async () => {
  const limited = await ask('MISTRAL', 'mistral-small-latest', 'simulate: tokens=40', {
    body: { max_tokens: 5 },
  });
  expect(await limited.text()).toMatch(/"finish_reason":"length".*"completion_tokens":5\b/);
  const generationConfig = { maxOutputTokens: 4, thinkingConfig: { includeThoughts: true } };
  const starved = await (
    await ask('GEMINI', 'gemini-3-pro-preview', 'Hello', { body: { generationConfig } })
  ).text();
  expect(textOf('GEMINI', starved)).toBe('');
  expect(starved).toContain('"finishReason":"MAX_TOKENS"');
});

test('each provider is as strict as it is known to be', async () => {
  const cases: [Name, string, Record<string, unknown>][] = [
    ['OPENAI', 'gpt-5.6-luna', { max_tokens: 10 }],
    ['OPENAI', 'gpt-5.6-luna', { temperature: 0.2 }],
    ['OPENAI', 'gpt-5.6-pro', {}],
    ['ANTHROPIC', 'claude-sonnet-5', { max_tokens: undefined }],
    ['ANTHROPIC', 'claude-sonnet-5', { temperature: 0.5 }],
    ['ANTHROPIC', 'claude-sonnet-5', { messages: [{ role: 'assistant', content: 'Hi' }] }],
    ['ANTHROPIC', 'claude-sonnet-5', { messages: [{ role: 'user', content: [{ type: 'text', text: '' }] }] }],
    ['GEMINI', 'gemini-2.5-flash', { max_tokens: 10 }],
    ['MISTRAL', 'mistral-small-latest', { max_completion_tokens: 10 }],
    ['PERPLEXITY', 'perplexity/sonar', { stop: ['x'] }],
    ['PERPLEXITY', 'perplexity/sonar', { max_output_tokens: 8 }],
    ['PERPLEXITY', 'anthropic/claude-sonnet-5', {}],
    ['XAI', 'grok-3-mini', { stop: ['x'] }],
  ];
  const replies: string[] = [];
  for (const [name, model, body] of cases) {
    const response = await ask(name, model, 'Hello', { body });
    const text = await response.text();
    const message = /"(?:message|error|msg)": ?"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
    replies.push(`${name} ${response.status} ${message}`);
  }
  expect(replies).toMatchInlineSnapshot(`
    [
      "OPENAI 400 Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      "OPENAI 400 Unsupported parameter: 'temperature' is not supported with this model.",
      "OPENAI 404 This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/completions?",
      "ANTHROPIC 400 max_tokens: Field required",
      "ANTHROPIC 400 \`temperature\` is deprecated for this model.",
      "ANTHROPIC 400 messages: first message must use the \\"user\\" role",
      "ANTHROPIC 400 messages: text content blocks must be non-empty",
      "GEMINI 400 Invalid JSON payload received. Unknown name \\"max_tokens\\": Cannot find field.",
      "MISTRAL 422 Extra inputs are not permitted",
      "PERPLEXITY 400 invalid request body: json: unknown field \\"stop\\"",
      "PERPLEXITY 400 max_output_tokens must be at least 16",
      "PERPLEXITY 400 max_output_tokens is required for anthropic models",
      "XAI 400 Argument not supported on this model: stop",
    ]
  `);
});

test('OpenAI’s Responses and Perplexity’s search carry their own events in order', async () => {
  const types = async (url: string, body: object) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-sim' },
      body: JSON.stringify(body),
    });
    const all = eventsOf(await response.text()).map(({ type }) => String(type));
    return all.filter((type, index) => type !== all[index - 1]);
  };
  const { OPENAI, PERPLEXITY } = simulator.baseUrls;
  const input = 'simulate: tokens=4';
  const body = { model: 'gpt-5.6-pro', input, stream: true, reasoning: { summary: 'auto' } };
  expect(await types(`${OPENAI}/responses`, body)).toMatchInlineSnapshot(`
    [
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.reasoning_summary_part.added",
      "response.reasoning_summary_text.delta",
      "response.reasoning_summary_text.done",
      "response.reasoning_summary_part.done",
      "response.reasoning_summary_part.added",
      "response.reasoning_summary_text.delta",
      "response.reasoning_summary_text.done",
      "response.reasoning_summary_part.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]
  `);
  expect(
    await types(`${PERPLEXITY}/v1/agent`, { preset: 'fast', input, stream: true }),
  ).toMatchInlineSnapshot(`
    [
      "response.created",
      "response.in_progress",
      "response.reasoning.started",
      "response.reasoning.search_queries",
      "response.reasoning.search_results",
      "response.reasoning.stopped",
      "response.output_item.added",
      "response.output_item.done",
      "response.output_item.added",
      "response.output_text.delta",
      "response.keepalive",
      "response.output_text.delta",
      "response.output_text.done",
      "response.output_item.done",
      "response.completed",
    ]
  `);
});

test('a client that reads slowly makes the simulator wait, not grow', async () => {
  const leaving = httpRequest(`${simulator.baseUrls.XAI}/chat/completions`, {
    method: 'POST',
    headers: headersFor('XAI', 'sk-sim'),
  });
  leaving.end(
    JSON.stringify({
      model: 'grok-sim-flood',
      messages: [{ role: 'user', content: 'Slowly' }],
      stream: true,
    }),
  );
  const [response] = await once(leaving, 'response');
  response.pause();
  const request = await simulator.waitForRequest(({ body }) => body.includes('Slowly'));
  // The flood has stopped once other calls find it unchanged; if nothing held it back it would never stop.
  let seenBytes = -1;
  while (request.sentBytes !== seenBytes) {
    seenBytes = request.sentBytes;
    for (let count = 0; count < 20; count += 1) await (await list('CUSTOM', 'sk-sim')).arrayBuffer();
  }
  expect(seenBytes).toBeGreaterThan(0);
  expect(request.ending).toBeNull();
  leaving.destroy();
  expect(await request.closed).toBe('left');
});

test('a body that is too large is refused before it is read to its end', async () => {
  const response = await fetch(`${simulator.baseUrls.CUSTOM}/chat/completions`, {
    method: 'POST',
    body: new Uint8Array(33 * 1024 * 1024),
  });
  expect(response.status).toBe(413);
});

test('closing the simulator cuts running calls and rejects pending waits', async () => {
  const other = await startSimulator();
  const response = await fetch(`${other.baseUrls.XAI}/chat/completions`, {
    method: 'POST',
    headers: headersFor('XAI', 'sk-sim'),
    body: JSON.stringify({
      model: 'grok-sim-stall',
      messages: [{ role: 'user', content: 'Hi' }],
      stream: true,
    }),
  });
  const request = await other.waitForRequest(() => true);
  const waiting = expect(other.waitForRequest(({ method }) => method === 'DELETE')).rejects.toThrow('closed');
  await other.close();
  await waiting;
  expect(await request.closed).toBe('cut');
  expect(await readAll(response)).toMatchObject({ isCut: true });
});
