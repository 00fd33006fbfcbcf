import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { FILE_LIMITS } from '../src/providers/file-limits.ts';
import { type FileReader, fileRulesOf } from '../src/providers/file-rules.ts';
import { createEgress, type Egress } from '../src/providers/http/egress.ts';
import type { ModelCapability } from '../src/providers/options.ts';
import { PROVIDER_NAMES, type ProviderName, type SentFile } from '../src/providers/provider.ts';
import { createProviders, type Providers } from '../src/providers/registry.ts';
import { fileText } from '../src/providers/wire/file-parts.ts';
import { type Simulator, startSimulator } from '../src/simulator/simulator.ts';
import { ask, asked, codeOf, type Outcome, question, scriptedProviders } from './fixtures/ask.ts';
import { json } from './fixtures/scripted-egress.ts';
import { captureLog } from './kit/log.ts';
import { makeDocx, wordParagraph } from './kit/make-office.ts';
import { makePdf } from './kit/make-pdf.ts';
import { makePng } from './kit/make-png.ts';
import { bytesFile, MEDIA_TYPES, textFile } from './kit/sent-file.ts';

/** The table of limits says what the simulated providers take, which are written from their documentation. */

let simulator: Simulator;
let egress: Egress;
let providers: Providers;

beforeAll(async () => {
  simulator = await startSimulator({ paceMs: 0 });
  egress = createEgress({ allowedPrivateHosts: [] });
  providers = createProviders({ egress, urls: simulator.baseUrls });
});
afterAll(async () => {
  await egress?.close();
  await simulator?.close();
});

/** A model of each provider that sees, and one more of those that have another protocol or another context. */
const READERS: [provider: ProviderName, model: string, contextWindow: number | null][] = [
  ['OPENAI', 'gpt-6-sol', null],
  ['OPENAI', 'ft:gpt-4.1-nano:acme::B7x1', null],
  ['ANTHROPIC', 'claude-opus-5-5', 1_000_000],
  ['ANTHROPIC', 'claude-haiku-4-5-20251001', 200_000],
  ['GEMINI', 'gemini-3.8-flash', null],
  ['MISTRAL', 'mistral-medium-2604', null],
  ['PERPLEXITY', 'perplexity/sonar', null],
  ['XAI', 'grok-4.7', null],
  ['NOVITA', 'qwen/qwen3-vl-235b-a22b-instruct', null],
  ['CUSTOM', 'gemma3:4b', null],
];

const SEES: ModelCapability[] = ['IMAGE_INPUT', 'PDF_INPUT'];

function rulesOf(provider: ProviderName, name: string, more: Partial<FileReader> = {}) {
  return fileRulesOf(provider, { name, capabilities: SEES, ...more });
}

/** Sends files to a simulated provider, which lists them in its answer. */
function send(provider: ProviderName, model: string, ...files: SentFile[]): Promise<Outcome> {
  const turns = [{ role: 'user' as const, text: 'simulate: files', files }];
  return ask(providers, provider, question(model, { model: asked(model, { capabilities: SEES }), turns }));
}

const OFFICE_BYTES = makeDocx(wordParagraph('Dear Ada'));
const JPEG = Buffer.from('ffd8ffc0000b080030004001011100ffd9', 'hex');
const SAMPLES: Record<keyof typeof MEDIA_TYPES, Uint8Array> = {
  png: makePng(64, 48),
  jpg: JPEG,
  gif: Buffer.from('GIF89a\u0040\u0000\u0030\u0000'),
  webp: Buffer.from('RIFF....WEBPVP8 '),
  pdf: makePdf(['Page one', 'Page two']),
  docx: OFFICE_BYTES,
  xlsx: OFFICE_BYTES,
  pptx: OFFICE_BYTES,
  csv: Buffer.from('a,b\n1,2'),
  txt: Buffer.from('Notes'),
};
const IMAGE_ENDINGS = ['png', 'jpg', 'gif', 'webp'];

/** Of what is sent as text everywhere: a file would be taken too. */
const TAKEN_THOUGH_SENT_AS_TEXT: Partial<Record<string, readonly string[]>> = {
  'gpt-6-sol': ['text/csv', 'text/plain'],
  'gemini-3.8-flash': ['text/plain'],
};

describe('the types of files', () => {
  test.each(READERS)(
    '%s takes for %s those of the table, and refuses all others',
    async (provider, model) => {
      const { images, documents } = rulesOf(provider, model);
      const stated = [...(images?.mediaTypes ?? []), ...documents.flatMap(({ mediaTypes }) => mediaTypes)];
      const taken: string[] = [];
      for (const [ending, bytes] of Object.entries(SAMPLES)) {
        const form = IMAGE_ENDINGS.includes(ending) ? 'image' : 'document';
        const file = bytesFile(form, `file.${ending}`, bytes);
        const { text, error } = await send(provider, model, file);
        if (text.startsWith(file.mediaType)) taken.push(file.mediaType);
        else if (error !== null) expect([ending, codeOf(error)]).toEqual([ending, 'BAD_REQUEST']);
        // A protocol that has no part for it is told so.
        else expect(text).toContain('left out: this model cannot read it');
      }
      const known = stated.filter((type) => Object.values<string>(MEDIA_TYPES).includes(type));
      expect(taken.toSorted()).toEqual([...known, ...(TAKEN_THOUGH_SENT_AS_TEXT[model] ?? [])].toSorted());
    },
  );

  test.each(READERS)('%s reads in them for %s what they are', async (provider, model) => {
    const { text } = await send(
      provider,
      model,
      bytesFile('image', 'p.png', SAMPLES.png),
      bytesFile('image', 'p.jpg', SAMPLES.jpg),
      textFile('notes.txt', 'Some words of mine', 'text only'),
    );
    const [png, jpg, notes] = text.split('\n');
    expect(png).toMatch(/^image\/png, 64 × 48 pixels, \d+ bytes, sha256 [0-9a-f]{12}$/);
    expect(jpg).toMatch(/^image\/jpeg, 64 × 48 pixels, 17 bytes, sha256 [0-9a-f]{12}$/);
    expect(notes).toMatch(
      /^text of "notes.txt" \(text\/plain\)(, text only)?, 18 characters, begins “Some words of mine”$/,
    );
  });

  test('a PDF and an Office document are read by name, pages and first words', async () => {
    const { text } = await send(
      'OPENAI',
      'gpt-6-sol',
      bytesFile('document', 'a.pdf', SAMPLES.pdf),
      bytesFile('document', 'a.docx', SAMPLES.docx),
    );
    expect(text).toMatch(
      /^application\/pdf "a.pdf", 2 pages, \d+ bytes, begins “Page one Page two”, sha256 \w{12}\n\S+wordprocessingml.document "a.docx", \d+ bytes, begins “Dear Ada”, sha256 \w{12}$/,
    );
  });

  test('a model that sees nothing is sent text alone, and one of which that is not known too', () => {
    for (const provider of PROVIDER_NAMES) {
      const rules = fileRulesOf(provider, { name: 'model', capabilities: [] });
      expect(rules).toMatchObject({ images: null, documents: [] });
      // Without images there are no PDFs either, unless the list says so.
      const papers = fileRulesOf(provider, { name: 'model', capabilities: ['PDF_INPUT'] }).documents.length;
      expect(papers > 0).toBe(['OPENAI', 'ANTHROPIC', 'GEMINI'].includes(provider));
    }
  });
});

describe('how much is taken', () => {
  const padded = (bytes: Uint8Array, length: number) =>
    Buffer.concat([bytes, Buffer.alloc(length - bytes.length)]);
  const picture = (length: number) => bytesFile('image', 'p.png', padded(SAMPLES.png, length));
  const paper = (pages: number) => bytesFile('document', 'p.pdf', makePdf(Array<string>(pages).fill('x')));
  const pictures = (count: number, side = 8) =>
    Array.from({ length: count }, () => bytesFile('image', 'p.png', makePng(side, 8)));
  const isTaken = async (provider: ProviderName, model: string, ...files: SentFile[]) => {
    const { error } = await send(provider, model, ...files);
    if (error !== null) expect(codeOf(error)).toBe('BAD_REQUEST');
    return error === null;
  };

  test('an image of the largest size is taken, and one beyond it is not where the provider states it', async () => {
    const tight: string[] = [];
    for (const [provider, model] of READERS) {
      const most = rulesOf(provider, model).images?.maxBytes;
      if (most == null) continue;
      expect(await isTaken(provider, model, picture(most))).toBe(true);
      if (!(await isTaken(provider, model, picture(most + 3)))) tight.push(model);
    }
    expect(tight).toEqual([
      'claude-opus-5-5',
      'claude-haiku-4-5-20251001',
      'mistral-medium-2604',
      'grok-4.7',
    ]);
  });

  test('as many images as the table says are taken, and one more is not where the provider states it', async () => {
    const tight: string[] = [];
    for (const [provider, model] of READERS) {
      const most = rulesOf(provider, model).images?.maxCount;
      if (most == null || most > 500) continue;
      expect(await isTaken(provider, model, ...pictures(most))).toBe(true);
      if (!(await isTaken(provider, model, ...pictures(most + 1)))) tight.push(model);
    }
    expect(tight).toEqual([
      'gpt-6-sol',
      'ft:gpt-4.1-nano:acme::B7x1',
      'claude-haiku-4-5-20251001',
      'mistral-medium-2604',
    ]);
  });

  test('images of the longest side are taken by Anthropic however many there are, and longer ones are not', async () => {
    const model = 'claude-haiku-4-5-20251001';
    const side = rulesOf('ANTHROPIC', model).images?.maxSide ?? 0;
    expect(side).toBe(2_000);
    expect(await isTaken('ANTHROPIC', model, ...pictures(21, side))).toBe(true);
    expect(await isTaken('ANTHROPIC', model, ...pictures(20, side + 1))).toBe(true);
    expect(await isTaken('ANTHROPIC', model, ...pictures(21, side + 1))).toBe(false);
  });

  test('as many pages as the table says are taken, alone and with images, and one more is not', async () => {
    for (const [provider, model, contextWindow] of READERS) {
      const { documents, maxImagesAndPages } = rulesOf(provider, model, {
        contextWindow: contextWindow ?? null,
      });
      const most = documents[0]?.maxPages;
      if (most == null) continue;
      expect([provider, await isTaken(provider, model, paper(most))]).toEqual([provider, true]);
      expect([provider, await isTaken(provider, model, paper(most + 1))]).toEqual([provider, false]);
      if (maxImagesAndPages === null) continue;
      const rest = maxImagesAndPages - 50;
      expect(await isTaken(provider, model, ...pictures(50), paper(rest))).toBe(true);
      expect(await isTaken(provider, model, ...pictures(50), paper(rest + 1))).toBe(false);
    }
  });

  test('an unknown context window counts as a small one', () => {
    const pages = (contextWindow?: number | null) =>
      rulesOf('ANTHROPIC', 'claude-opus-5-5', contextWindow === undefined ? {} : { contextWindow })
        .maxImagesAndPages;
    expect([pages(), pages(null), pages(999_999), pages(1_000_000)]).toEqual([100, 100, 100, 600]);
  });

  test('files of all the bytes that a request may have are taken, and what is too much is refused', async () => {
    const rules = rulesOf('ANTHROPIC', 'claude-opus-5-5');
    const bytes = ((rules.maxRequestBytes ?? 0) / 4) * 3;
    const half = bytesFile('document', 'a.pdf', padded(SAMPLES.pdf, bytes / 2 - 3));
    expect(await isTaken('ANTHROPIC', 'claude-opus-5-5', half, half)).toBe(true);
    const { error } = await send('ANTHROPIC', 'claude-opus-5-5', half, half, half);
    expect(['BAD_REQUEST', 'NETWORK']).toContain(codeOf(error));
  });

  test('a file of 20 MiB fits into every document that is read, and a picture of 3.5 MiB into every image', () => {
    for (const [provider, model] of READERS) {
      const { images, documents, maxRequestBytes } = rulesOf(provider, model);
      expect(images?.maxBytes ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(3.5 * 2 ** 20);
      expect(maxRequestBytes).toBeGreaterThanOrEqual(3.5 * 2 ** 20 * (4 / 3));
      for (const { maxBytes } of documents) {
        expect(maxBytes ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(20 * 2 ** 20);
        expect(maxRequestBytes).toBeGreaterThanOrEqual(20 * 2 ** 20 * (4 / 3));
      }
    }
  });
});

test('every limit says how it is known and since when', () => {
  const limits = Object.values(FILE_LIMITS).flatMap((family) => Object.values(family));
  expect(limits.length).toBeGreaterThan(100);
  for (const { source, asOf } of limits) {
    expect(['documentation', 'report', 'measured', 'unverified', 'ours']).toContain(source);
    expect(asOf).toMatch(/^2026-1[01]-\d\d$/);
  }
});

test('tokens are estimated as the models count them', () => {
  const [gpt, claude, oldClaude, gemini] = [
    rulesOf('OPENAI', 'gpt-6-sol'),
    rulesOf('ANTHROPIC', 'claude-opus-5-5'),
    rulesOf('ANTHROPIC', 'claude-haiku-4-5-20251001'),
    rulesOf('GEMINI', 'gemini-3.8-flash'),
  ];
  const perplexity = rulesOf('PERPLEXITY', 'anthropic/claude-sonnet-5');
  expect([gpt, claude, oldClaude, gemini, perplexity].map((rules) => rules.charactersPerToken)).toEqual([
    4, 2.5, 3.5, 4, 2.5,
  ]);
  expect([gpt, claude, gemini].map(({ images }) => images?.estimateTokens(2_000, 1_500))).toEqual([
    3_516, 3_888, 1_120,
  ]);
  expect([gpt, claude, gemini].map(({ documents }) => documents[0]?.tokensPerPage)).toEqual([
    1_500, 2_350, 560,
  ]);
});

describe('a file as text', () => {
  const PIECES = [
    '</file>',
    '</FILE',
    '<\\/file>',
    '<\\\\/file',
    '<file name="x">',
    '"',
    '<',
    '&',
    '&lt;',
    '&quot;',
    '\n',
    'ä',
    '漢',
    '\\',
    '>',
    '/file>',
    'a',
  ];
  const ELEMENT = /<file name="([^"]*)" type="([^"]*)"(?: note="([^"]*)")?>\n([\s\S]*?)\n<\/file>/gi;
  const unescaped = (text = '') =>
    text.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&amp;', '&');
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * below);
  };
  const some = (most: number) =>
    Array.from({ length: random(most) }, () => PIECES[random(PIECES.length)]).join('');

  test('exactly one element can be read back for each file, whatever its name, note and text are', () => {
    for (let round = 0; round < 3_000; round++) {
      const files = Array.from({ length: 1 + random(3) }, () => ({
        ...textFile(some(8), some(20), random(2) === 0 ? null : some(5)),
        mediaType: some(4),
      }));
      const found = [...files.map(fileText).join('\n\n').matchAll(ELEMENT)];
      const back = found.map(([, name, mediaType, note, text = '']) => ({
        form: 'text',
        name: unescaped(name),
        mediaType: unescaped(mediaType),
        note: note === undefined ? null : unescaped(note),
        text: text.replace(/<\\(?=\\*\/file)/gi, '<'),
      }));
      expect(back).toEqual(files);
    }
  });
});

describe('the words of a file', () => {
  const CANARY = 'canary-of-a-file-4471';
  const files = [
    textFile(`${CANARY}.txt`, `words ${CANARY}`),
    bytesFile('image', `${CANARY}.png`, Buffer.from(`\u0089PNG${CANARY}`)),
  ];

  test.each(PROVIDER_NAMES)(
    'reach neither log nor error when %s refuses them and repeats them',
    async (provider) => {
      const written = captureLog();
      const echo = scriptedProviders(({ body }) =>
        json({ error: { message: `What is this: ${body}` } }, 400),
      );
      const turns = [{ role: 'user' as const, text: 'Hi', files }];
      const { error } = await ask(echo.providers, provider, question('model', { turns }));
      expect(codeOf(error)).not.toBeNull();
      expect(echo.egress.requests[0]?.body).toContain(CANARY);
      const encoded = Buffer.from(CANARY).toString('base64').slice(4, 20);
      for (const said of [
        String(error),
        JSON.stringify(error),
        inspect(error, { depth: 9, showHidden: true }),
        ...written,
      ]) {
        expect(said).not.toContain(CANARY);
        expect(said).not.toContain(encoded);
      }
      vi.restoreAllMocks();
    },
  );
});
