import { describe, expect, test } from 'vitest';
import { fileRulesOf } from '../src/providers/file-rules.ts';
import type { ModelCapability } from '../src/providers/options.ts';
import {
  type AnswerRequest,
  PROVIDER_NAMES,
  type ProviderName,
  type SentFile,
} from '../src/providers/provider.ts';
import { ask, asked, question, scriptedProviders } from './fixtures/ask.ts';
import { json } from './fixtures/scripted-egress.ts';
import { makeDocx, wordParagraph } from './kit/make-office.ts';
import { makePdf } from './kit/make-pdf.ts';
import { makePng } from './kit/make-png.ts';
import { say } from './kit/say.ts';
import { bytesFile, MEDIA_TYPES, textFile } from './kit/sent-file.ts';

/** Each provider is sent files in its own form, before the text of their turn. */

const MODELS: Record<ProviderName, string> = {
  OPENAI: 'gpt-6-sol',
  ANTHROPIC: 'claude-opus-5-5',
  GEMINI: 'gemini-3.8-flash',
  MISTRAL: 'mistral-medium-2604',
  PERPLEXITY: 'perplexity/sonar',
  XAI: 'grok-4.7',
  NOVITA: 'qwen/qwen3-vl-235b-a22b-instruct',
  CUSTOM: 'gemma3:4b',
};

const SEES: ModelCapability[] = ['IMAGE_INPUT', 'PDF_INPUT'];

const FILES: readonly { name: string; form: 'image' | 'document'; bytes: Uint8Array; text: string }[] = [
  { name: 'picture.png', form: 'image', bytes: makePng(64, 48), text: '' },
  { name: 'paper.pdf', form: 'document', bytes: makePdf(['One', 'Two']), text: '[page 1]\nOne' },
  { name: 'table.csv', form: 'document', bytes: Buffer.from('a,b\n1,2'), text: 'a,b\n1,2' },
  { name: 'letter.docx', form: 'document', bytes: makeDocx(wordParagraph('Dear Ada')), text: 'Dear Ada' },
  { name: 'sheet.xlsx', form: 'document', bytes: Buffer.from('PK\u0003\u0004sheet'), text: '## S\n1,2' },
  { name: 'notes.txt', form: 'document', bytes: Buffer.from('Notes'), text: 'Notes' },
];

/** The file in the form that the rules say. */
function sentTo(provider: ProviderName, model: string, file: (typeof FILES)[number]): SentFile {
  const { images, documents } = fileRulesOf(provider, { name: model, capabilities: SEES });
  const native = bytesFile(file.form, file.name, file.bytes);
  const isTaken =
    file.form === 'image'
      ? images?.mediaTypes.includes(native.mediaType)
      : documents.some(({ mediaTypes }) => mediaTypes.includes(native.mediaType));
  return isTaken ? native : textFile(file.name, file.text, file.name.endsWith('f') ? 'text only' : null);
}

function about(provider: ProviderName, model: string, text: string): AnswerRequest {
  const files = FILES.map((file) => sentTo(provider, model, file));
  const before = { role: 'user', text: 'Hello' } as const;
  return question(model, {
    model: asked(model, { capabilities: SEES }),
    turns: [before, { role: 'assistant', text: 'Hi!' }, { role: 'user', text, files }],
  });
}

/** The content of the last message as it was sent, with its base64 shortened. */
async function sentContent(provider: ProviderName, model: string, text = 'What?'): Promise<unknown> {
  const { providers, egress } = scriptedProviders(() => json({}, 500));
  await ask(providers, provider, about(provider, model, text));
  const body = JSON.parse(egress.requests[0]?.body ?? '', (_name, value) =>
    typeof value === 'string'
      ? value
          .replace(/^((?:data:[^;]+;base64,)?[A-Za-z0-9+/]{8})[A-Za-z0-9+/]{12,}=*$/, '$1…')
          .replaceAll('application/vnd.openxmlformats-officedocument.', 'OFFICE.')
      : value,
  );
  const messages = body.messages ?? body.input ?? body.contents;
  expect(messages).toHaveLength(3);
  say(`${provider} ${model}\n${JSON.stringify(body, null, 1)}`);
  return messages[2].content ?? messages[2].parts;
}

describe('the files of a turn, and its text after them', () => {
  test.each<[string, ProviderName, string]>([
    ...PROVIDER_NAMES.map((name): [string, ProviderName, string] => [name, name, MODELS[name]]),
    ['OPENAI chat', 'OPENAI', 'ft:gpt-4.1-nano:acme::B7x1'],
  ])('are written for %s as it documents', async (title, provider, model) => {
    expect(await sentContent(provider, model)).toEqual(EXPECTED[title]);
  });

  test.each(PROVIDER_NAMES)('without a text of the turn %s is sent the files alone', async (provider) => {
    const whole = JSON.stringify(await sentContent(provider, MODELS[provider], ''));
    expect(whole).not.toMatch(/"text":"\s*"/);
    const withText = JSON.stringify(await sentContent(provider, MODELS[provider], 'What?'));
    expect(withText.length).toBeGreaterThan(whole.length);
    expect(withText.startsWith(whole.slice(0, -2))).toBe(true);
  });

  test.each(PROVIDER_NAMES)(
    'a turn without files is sent to %s as text, whatever came before',
    async (provider) => {
      const bodies = [];
      for (const files of [undefined, []]) {
        const { providers, egress } = scriptedProviders(() => json({}, 500));
        const turn = { role: 'user' as const, text: 'Hello', ...(files && { files }) };
        await ask(providers, provider, question(MODELS[provider], { turns: [turn] }));
        bodies.push(egress.requests[0]?.body);
      }
      expect(bodies[1]).toBe(bodies[0]);
      const { messages, input } = JSON.parse(bodies[0] ?? '');
      if (provider !== 'GEMINI') expect((messages ?? input)[0].content).toBe('Hello');
    },
  );

  test('instructions for Gemma go before the text of the first turn, after its files', async () => {
    const { providers, egress } = scriptedProviders(() => json({}, 500));
    for (const text of ['Hello', '']) {
      const turns = [{ role: 'user' as const, text, files: [textFile('notes.txt', 'Notes')] }];
      await ask(
        providers,
        'GEMINI',
        question('gemma-3-27b-it', { turns, options: { systemPrompt: 'Be brief.' } }),
      );
    }
    const element = '<file name="notes.txt" type="text/plain">\nNotes\n</file>';
    expect(egress.requests.map(({ body }) => JSON.parse(body ?? '').contents[0].parts)).toEqual([
      [{ text: element }, { text: 'Be brief.\n\nHello' }],
      [{ text: element }, { text: 'Be brief.' }],
    ]);
  });

  test('a gateway that forwards nothing but chat is told of a document that chat does not take', async () => {
    const { providers, egress } = scriptedProviders(() =>
      json({ error: { message: 'Invalid URL /v1/responses' } }, 404),
    );
    await ask(providers, 'OPENAI', about('OPENAI', MODELS.OPENAI, 'What?'));
    const [, chat] = egress.requests;
    expect(chat?.url).toContain('/chat/completions');
    const said = JSON.stringify(JSON.parse(chat?.body ?? '').messages[2].content);
    expect(said).toContain('letter.docx');
    expect(said).toContain('left out: this model cannot read it');
    expect(said).not.toContain('officedocument.wordprocessingml.document;base64');
  });
});

const PNG = 'data:image/png;base64,iVBORw0K…';
const PDF = 'data:application/pdf;base64,JVBERi0x…';
const element = (name: string, text: string, note = '') =>
  `<file name="${name}" type="${typeOf(name)}"${note && ` note="${note}"`}>\n${text}\n</file>`;
const CSV = element('table.csv', 'a,b\n1,2');
const DOCX = element('letter.docx', 'Dear Ada');
const XLSX = element('sheet.xlsx', '## S\n1,2');
const NOTES = element('notes.txt', 'Notes');
const PDF_TEXT = element('paper.pdf', '[page 1]\nOne', 'text only');
const part = (type: string) => (text: string) => ({ type, text });
const [chatText, inputText] = [part('text'), part('input_text')];
const asDocument = (title: string, data: string) => ({
  type: 'document',
  title,
  source: { type: 'text', media_type: 'text/plain', data },
});
const joined = [PDF_TEXT, CSV, DOCX, XLSX, NOTES, 'What?'];

/** What the documentation of each provider says, beside the table of files. */
const EXPECTED: Record<string, unknown> = {
  OPENAI: [
    { type: 'input_image', image_url: PNG, detail: 'auto' },
    { type: 'input_file', filename: 'paper.pdf', file_data: PDF },
    inputText(CSV),
    {
      type: 'input_file',
      filename: 'letter.docx',
      file_data: `data:${typeOf('letter.docx')};base64,UEsDBBQA…`,
    },
    {
      type: 'input_file',
      filename: 'sheet.xlsx',
      file_data: `data:${typeOf('sheet.xlsx')};base64,UEsDBHNoZWV0`,
    },
    inputText(NOTES),
    inputText('What?'),
  ],
  'OPENAI chat': [
    { type: 'image_url', image_url: { url: PNG, detail: 'auto' } },
    { type: 'file', file: { filename: 'paper.pdf', file_data: PDF } },
    ...[CSV, DOCX, XLSX, NOTES, 'What?'].map(chatText),
  ],
  ANTHROPIC: [
    { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0K…' } },
    {
      type: 'document',
      title: 'paper.pdf',
      source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0x…' },
    },
    asDocument('table.csv', 'a,b\n1,2'),
    asDocument('letter.docx', 'Dear Ada'),
    asDocument('sheet.xlsx', '## S\n1,2'),
    asDocument('notes.txt', 'Notes'),
    chatText('What?'),
  ],
  GEMINI: [
    { inlineData: { mimeType: 'image/png', data: 'iVBORw0K…' } },
    { inlineData: { mimeType: 'application/pdf', data: 'JVBERi0x…' } },
    ...[CSV, DOCX, XLSX, NOTES, 'What?'].map((text) => ({ text })),
  ],
  MISTRAL: [
    { type: 'image_url', image_url: { url: PNG } },
    { type: 'document_url', document_url: PDF, document_name: 'paper.pdf' },
    ...[CSV, DOCX, XLSX, NOTES, 'What?'].map(chatText),
  ],
  PERPLEXITY: [{ type: 'input_image', image_url: PNG }, ...joined.map(inputText)],
  XAI: [{ type: 'input_image', image_url: PNG, detail: 'auto' }, ...joined.map(inputText)],
  NOVITA: [{ type: 'image_url', image_url: { url: PNG } }, ...joined.map(chatText)],
  CUSTOM: [{ type: 'image_url', image_url: { url: PNG } }, ...joined.map(chatText)],
};

function typeOf(name: string): string {
  const type = MEDIA_TYPES[name.split('.')[1] as keyof typeof MEDIA_TYPES];
  return type.replace('application/vnd.openxmlformats-officedocument.', 'OFFICE.');
}

test.each([
  ['gpt-6-sol', 'scan', 'pdf', 'scan.pdf'],
  ['gpt-6-sol', 'SCAN.PDF', 'pdf', 'SCAN.PDF'],
  ['gpt-6-sol', 'letter.old', 'docx', 'letter.old.docx'],
  ['gpt-6-sol', '2026', 'xlsx', '2026.xlsx'],
  ['gpt-6-sol', 'talk.PPT', 'pptx', 'talk.PPT.pptx'],
  ['ft:gpt-4.1-nano:acme::B7x1', 'scan.txt', 'pdf', 'scan.txt.pdf'],
  ['ft:gpt-4.1-nano:acme::B7x1', 'scan.pdf', 'pdf', 'scan.pdf'],
] as const)(
  'OpenAI is told the type of a document by its name: %s, "%s" as %s',
  async (model, name, ending, sent) => {
    const { providers, egress } = scriptedProviders(() => json({}, 500));
    const file = bytesFile('document', name, Buffer.from('Bytes'), { mediaType: MEDIA_TYPES[ending] });
    await ask(
      providers,
      'OPENAI',
      question(model, { turns: [{ role: 'user', text: 'What?', files: [file] }] }),
    );
    expect(egress.requests[0]?.body).toContain(`"filename":"${sent}"`);
  },
);
