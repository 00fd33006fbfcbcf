import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../src/simulator/simulator.ts';
import { makeEncryptedPdf, makePdf } from './kit/make-pdf.ts';
import { makePng } from './kit/make-png.ts';

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

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
const PNG = base64(makePng(8, 8));
const PDF = base64(makePdf(['One']));
const LOCKED = base64(makeEncryptedPdf('One', 'secret'));
const LARGE = base64(Buffer.concat([makePng(8, 8), Buffer.alloc(10_500_000)]));
const dataUrl = (type: string, data: string) => `data:${type};base64,${data}`;
const times = <Part>(count: number, part: Part) => Array<Part>(count).fill(part);

test('files at OpenAI', async () => {
  const input = (...content: object[]) =>
    said('OPENAI', '/responses', { model: 'gpt-6-sol', input: [{ role: 'user', content }] });
  const chat = (...content: object[]) =>
    said('OPENAI', '/chat/completions', { model: 'gpt-4.1-nano', messages: [{ role: 'user', content }] });
  const image = (image_url: string) => ({ type: 'input_image', image_url });
  const paper = (file_data: string) => ({ type: 'input_file', filename: 'a.pdf', file_data });
  const inChat = (file_data: string) => ({ type: 'file', file: { filename: 'a', file_data } });
  expect([
    await input(image(dataUrl('image/png', PNG)), paper(dataUrl('application/pdf', PDF))),
    await input({ type: 'file' }),
    await input(image(PNG)),
    await input(image(dataUrl('image/png', `${PNG}*`))),
    await input(image(dataUrl('image/tiff', PNG))),
    await input(image(dataUrl('application/pdf', PDF))),
    await input({ ...paper(dataUrl('application/pdf', PDF)), filename: '' }),
    await input(paper(dataUrl('application/pdf', LOCKED))),
    await chat(inChat(dataUrl('application/pdf', PDF))),
    await chat(inChat(dataUrl('text/csv', PDF))),
    await chat({ type: 'input_image' }),
  ]).toMatchInlineSnapshot(`
    [
      "200 taken",
      "400 Invalid value: 'file'. Supported values are: 'input_text', 'input_image', 'output_text', 'refusal', 'input_file', and 'summary_text'.",
      "400 Invalid 'input[0].content[0].image_url'. Expected a base64-encoded data URL with an image MIME type (e.g. 'data:image/png;base64,aW1nIGJ5dGVzIGhlcmU='), but got a value without the 'data:' prefix.",
      "400 Invalid base64 image_url.",
      "400 You uploaded an unsupported image. Please make sure your image has of one the following formats: ['png', 'jpeg', 'gif', 'webp'].",
      "400 Invalid MIME type. Only image types are supported.",
      "400 Missing required parameter: 'input[0].content[0].filename'.",
      "400 The file could not be processed.",
      "200 taken",
      "400 Invalid file data: 'messages[0].content[0].file.file_data'. Expected a base64-encoded data URL with an application/pdf MIME type (e.g. 'data:application/pdf;base64,aW1nIGJ5dGVzIGhlcmU='), but got unsupported MIME type 'text/csv'.",
      "400 Invalid value: 'input_image'. Supported values are: 'text', 'image_url', 'input_audio', 'refusal', 'audio', and 'file'.",
    ]
  `);
});

test('files at Anthropic', async () => {
  const ask = (...content: object[]) =>
    said('ANTHROPIC', '/v1/messages', {
      model: 'claude-haiku-4-5-20251001',
      max_tokens: 100,
      messages: [{ role: 'user', content }],
    });
  const image = (data: string, media_type = 'image/png') => ({
    type: 'image',
    source: { type: 'base64', media_type, data },
  });
  const paper = (data: string, more: object = {}) => ({
    type: 'document',
    source: { type: 'base64', media_type: 'application/pdf', data },
    ...more,
  });
  const text = (data: string) => ({
    type: 'document',
    source: { type: 'text', media_type: 'text/plain', data },
  });
  expect([
    await ask(image(PNG), paper(PDF, { title: 'a.pdf' }), text('a,b')),
    await ask({ type: 'input_image' }),
    await ask(image(PNG, 'image/tiff')),
    await ask(image(PNG, 'image/jpeg')),
    await ask(image('%%%')),
    await ask(image(LARGE)),
    await ask(image(base64(makePng(8_001, 8)))),
    await ask(...times(21, image(base64(makePng(2_001, 8))))),
    await ask(...times(101, image(PNG))),
    await ask(paper(PDF, { name: 'a.pdf' })),
    await ask(paper(PDF, { title: '' })),
    await ask(paper(LOCKED)),
    await ask(paper(base64(makePdf(times(101, 'x'))))),
    await ask(text('')),
    await ask(image(PNG), { type: 'text', text: '' }),
  ]).toMatchInlineSnapshot(`
    [
      "200 taken",
      "400 messages.0.content.0: Input tag 'input_image' found using 'type' does not match any of the expected tags: 'document', 'image', 'redacted_thinking', 'search_result', 'text', 'thinking', 'tool_result', 'tool_use'",
      "400 messages.0.content.0.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'",
      "400 messages.0.content.0.image.source.base64.data: Image does not match the provided media type image/jpeg",
      "400 messages.0.content.0.image.source.base64.data: Invalid base64 data",
      "400 messages.0.content.0.image.source.base64: image exceeds 5 MB maximum: 14000092 bytes > 5242880 bytes",
      "400 messages.0.content.0.image.source.base64.data: At least one of the image dimensions exceed max allowed size: 8000 pixels",
      "400 messages.0.content.0.image.source.base64.data: At least one of the image dimensions exceed max allowed size for many-image requests: 2000 pixels",
      "400 Too much media: 0 document pages + 101 images > 100",
      "400 messages.0.content.0.document.name: Extra inputs are not permitted",
      "400 messages.0.content.0.document.title: String should have between 1 and 500 characters",
      "400 messages.0.content.0.document.source.base64.data: The PDF specified is password protected.",
      "400 A maximum of 100 PDF pages may be provided.",
      "400 messages.0.content.0.document.source.text.data: String should have at least 1 character",
      "400 messages: text content blocks must be non-empty",
    ]
  `);
});

test('files at Gemini', async () => {
  const ask = (model: string, ...parts: object[]) =>
    said('GEMINI', `/models/${model}:streamGenerateContent?alt=sse`, { contents: [{ role: 'user', parts }] });
  const inline = (mimeType: string, data: string, more: object = {}) => ({
    inlineData: { mimeType, data, ...more },
  });
  const model = 'gemini-3.8-flash';
  expect([
    await ask(model, inline('image/png', PNG), inline('application/pdf', PDF)),
    await ask(model, inline('image/gif', PNG)),
    await ask(model, inline('image/png', '%%%')),
    await ask(model, inline('image/jpeg', PNG)),
    await ask(model, inline('image/png', PNG, { displayName: 'a' })),
    await ask(model, { image: PNG }),
    await ask(model, inline('application/pdf', base64(makePdf(times(1_001, 'x'))))),
    await ask(model, inline('image/png', PNG), { text: '' }),
    await ask('gemma-3-27b-it', inline('image/png', PNG)),
  ]).toMatchInlineSnapshot(`
    [
      "200 taken",
      "400 Unsupported MIME type: image/gif",
      "400 Invalid value at 'contents[0].parts[0].inline_data.data' (TYPE_BYTES), Base64 decoding failed for \\"%%%\\"",
      "400 Unable to process input image.",
      "400 Invalid JSON payload received. Unknown name \\"displayName\\" at 'contents[0].parts[0].inline_data': Cannot find field.",
      "400 Invalid JSON payload received. Unknown name \\"image\\" at 'contents[0].parts[0]': Cannot find field.",
      "400 The document contains 1001 pages which exceeds the supported page limit of 1000.",
      "400 * GenerateContentRequest.contents.parts: contents.parts must not be empty.",
      "400 Image input modality is not enabled for models/gemma-3-27b-it",
    ]
  `);
});

test('files at the other providers', async () => {
  const chat =
    (name: Name, model: string) =>
    (...content: object[]) =>
      said(name, '/chat/completions', { model, messages: [{ role: 'user', content }] });
  const responses =
    (name: Name, path: string, model: string) =>
    (...content: object[]) =>
      said(name, path, { model, input: [{ role: 'user', content }] });
  const image = (data: string, type = 'image/png') => ({
    type: 'image_url',
    image_url: { url: dataUrl(type, data) },
  });
  const input = (data: string, type = 'image/png', more: object = {}) => ({
    type: 'input_image',
    image_url: dataUrl(type, data),
    ...more,
  });
  const file = { type: 'input_file', filename: 'a.pdf', file_data: dataUrl('application/pdf', PDF) };
  const mistral = chat('MISTRAL', 'mistral-medium-2604');
  const paper = (document_url: string) => ({ type: 'document_url', document_url });
  const perplexity = responses('PERPLEXITY', '/v1/agent', 'perplexity/sonar');
  const xai = responses('XAI', '/responses', 'grok-4.7');
  expect([
    await mistral(...times(8, image(PNG)), paper(dataUrl('application/pdf', PDF))),
    await mistral(...times(9, image(PNG))),
    await mistral(image(LARGE)),
    await mistral(image(PNG, 'image/bmp')),
    await mistral({ type: 'input_image' }),
    await mistral(paper(dataUrl('text/csv', PDF))),
    await chat('MISTRAL', 'magistral-medium-latest')(image(PNG)),
    await perplexity(input(PNG)),
    await perplexity(input(PNG, 'image/png', { detail: 'auto' })),
    await perplexity(file),
    await xai(input(PNG, 'image/png', { detail: 'auto' })),
    await xai(input(PNG, 'image/webp')),
    await xai(file),
    await chat('NOVITA', 'deepseek/deepseek-r1')(image(PNG)),
    await chat('NOVITA', 'qwen/qwen3-vl-235b-a22b-instruct')({ type: 'file' }),
    await chat('CUSTOM', 'llama3.2:latest')(image(PNG)),
    await chat('CUSTOM', 'gemma3:4b')(image(PNG, 'image/webp')),
    await chat('CUSTOM', 'gemma3:4b')({ type: 'text', text: '' }),
  ]).toMatchInlineSnapshot(`
    [
      "200 taken",
      "400 Too many images in request: 9. Maximum is 8",
      "400 Image content must be at most 10 MB",
      "400 Image format is not supported. Supported formats: png, jpeg, webp, gif",
      "422 Input tag 'input_image' does not match any of the expected tags",
      "400 Document content must be a PDF, got text/csv",
      "400 Image input is not enabled for this model: magistral-medium-latest",
      "200 taken",
      "400 invalid request body: json: unknown field \\"detail\\"",
      "400 unsupported content type \\"input_file\\"",
      "200 taken",
      "400 Unsupported content-type encountered when downloading image. Use image/jpeg or image/png.",
      "400 Invalid request content: unknown content part type.",
      "400 messages: this model does not support image input",
      "400 messages: unknown content type",
      "400 At most 0 image(s) may be provided in one prompt.",
      "400 Failed to load image or audio file",
      "400 content[].text must not be empty",
    ]
  `);
});
