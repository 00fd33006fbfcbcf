import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cutText } from '../src/answers/cut-text.ts';
import {
  decideFileUses,
  type FileFacts,
  type FileTaker,
  type FileUse,
  type TextUse,
} from '../src/answers/file-uses.ts';
import { estimateTokens } from '../src/files/reading/estimate-tokens.ts';
import { type FileRules, fileRulesOf } from '../src/providers/file-rules.ts';
import { PROVIDER_NAMES } from '../src/providers/provider.ts';

/** How each file of a branch goes to a model, decided from facts alone. */

const FACTS: FileFacts = {
  kind: 'TEXT',
  mediaType: 'text/plain',
  sizeBytes: 1_000,
  width: null,
  height: null,
  pageCount: null,
  isEncrypted: false,
  refusedBy: [],
  textLength: 1_000,
  textTokens: null,
  pictureBytes: null,
  pictureMediaType: null,
  note: null,
  isUnreadable: false,
};

const text = (textLength: number): FileFacts => ({ ...FACTS, textLength });
const image = (more: Partial<FileFacts> = {}): FileFacts => ({
  ...FACTS,
  kind: 'IMAGE',
  mediaType: 'image/webp',
  textLength: null,
  width: 4_000,
  height: 1_000,
  pictureBytes: 3_000,
  pictureMediaType: 'image/png',
  ...more,
});
const pdf = (pageCount: number, more: Partial<FileFacts> = {}): FileFacts => ({
  ...FACTS,
  kind: 'PDF',
  mediaType: 'application/pdf',
  pageCount,
  textLength: 2_000 * pageCount,
  ...more,
});
const docx: FileFacts = { ...FACTS, kind: 'DOCUMENT', mediaType: 'application/docx' };

const RULES: FileRules = {
  images: {
    mediaTypes: ['image/png'],
    maxBytes: 5_000,
    maxCount: 2,
    maxSide: 2_000,
    estimateTokens: (width, height) => (width * height) / 1_000,
  },
  documents: [{ mediaTypes: ['application/pdf'], maxBytes: 5_000, maxPages: 10, tokensPerPage: 1_000 }],
  maxRequestBytes: null,
  maxImagesAndPages: 12,
  charactersPerToken: 4,
};

const model = (more: Partial<FileTaker> = {}): FileTaker => ({
  provider: { name: 'OPENAI', title: 'OpenAI' },
  rules: RULES,
  contextWindow: 200_000,
  maxOutputTokens: null,
  otherBytes: 0,
  ...more,
});
const textOnly = model({ rules: { ...RULES, images: null, documents: [] } });

/** The uses of files, each of a message of its own unless they are given by message. A text is cut where it has to be. */
async function usesOf(
  files: readonly (FileFacts | readonly FileFacts[])[],
  taker: FileTaker,
  cut = async (use: TextUse): Promise<FileUse> => use,
): Promise<FileUse[]> {
  const messages = files.map((each) => (Array.isArray(each) ? each : [each]) as FileFacts[]);
  const decided = await decideFileUses(
    messages.map((ofMessage) => ofMessage.map((facts) => ({ facts }))),
    taker,
    (_file, use) => cut(use),
  );
  expect(decided.map(({ file }) => file.facts)).toEqual(messages.flat());
  return decided.map(({ use }) => use);
}

describe('a file by itself', () => {
  test.each<[string, FileFacts, FileTaker, FileUse['use'], string | null]>([
    ['a text goes as text', text(1_000), model(), 'AS_TEXT', null],
    [
      'an image goes as the copy for models, with what was left out of it',
      image({ note: 'The picture is animated: only its first frame is read.' }),
      model(),
      'NATIVE',
      'The picture is animated: only its first frame is read.',
    ],
    ['an image is left out where none is read', image(), textOnly, 'LEFT_OUT', 'This model reads no images.'],
    [
      'an image is left out if its type is not taken',
      image({ pictureMediaType: 'image/jpeg' }),
      model(),
      'LEFT_OUT',
      'This model takes no images of the type image/jpeg.',
    ],
    [
      'an image is left out if it is too large',
      image({ pictureBytes: 5_001 }),
      model(),
      'LEFT_OUT',
      'The image has more bytes than this model takes.',
    ],
    [
      'an image is left out if its side is too long',
      image(),
      model({ rules: { ...RULES, images: RULES.images && { ...RULES.images, maxSide: 1_999 } } }),
      'LEFT_OUT',
      'The image has more pixels than this model takes.',
    ],
    ['a PDF goes as it is', pdf(10), model(), 'NATIVE', null],
    ['a scan goes as it is too', pdf(10, { textLength: null }), model(), 'NATIVE', null],
    [
      'a PDF goes as text where none is taken, with what was left out of that',
      pdf(10, { note: 'A part of the text is left out. The text says which.' }),
      textOnly,
      'AS_TEXT',
      'It is sent as text, because this model takes no PDFs. A part of the text is left out. The text says which.',
    ],
    [
      'a PDF of too many pages goes as text',
      pdf(11),
      model(),
      'AS_TEXT',
      'It is sent as text, because this model takes 10 pages at most.',
    ],
    [
      'a PDF of too many bytes goes as text',
      pdf(1, { sizeBytes: 5_001 }),
      model(),
      'AS_TEXT',
      'It is sent as text, because it has more bytes than this model takes.',
    ],
    [
      'a PDF whose pages are too long goes as text',
      pdf(10),
      model({ contextWindow: 16_000 }),
      'AS_TEXT',
      'It is sent as text, because its pages are too long for this model.',
    ],
    [
      'a scan is left out where no PDF is taken',
      pdf(1, { textLength: null }),
      textOnly,
      'LEFT_OUT',
      'It has no text, and this model takes no PDFs.',
    ],
    [
      'a document goes as text where its type is not taken',
      docx,
      model(),
      'AS_TEXT',
      'It is sent as text, because this model takes no files of this type.',
    ],
    [
      'a protected PDF goes as text',
      pdf(1, { isEncrypted: true }),
      model(),
      'AS_TEXT',
      'It is sent as text, because it is protected, which no provider takes.',
    ],
    [
      'a protected scan is left out',
      pdf(1, { isEncrypted: true, textLength: null }),
      model(),
      'LEFT_OUT',
      'It has no text, and it is protected, which no provider takes.',
    ],
    [
      'a PDF that the provider refused goes as text',
      pdf(1, { refusedBy: ['MISTRAL', 'OPENAI'] }),
      model(),
      'AS_TEXT',
      'It is sent as text, because OpenAI refused a request with it.',
    ],
    [
      'an image that the provider refused is left out',
      image({ refusedBy: ['OPENAI'] }),
      model(),
      'LEFT_OUT',
      'OpenAI refused a request with it.',
    ],
    [
      'an image that another provider refused goes',
      image({ refusedBy: ['GEMINI'] }),
      model(),
      'NATIVE',
      null,
    ],
    ['a text goes as text whoever refused', { ...FACTS, refusedBy: ['OPENAI'] }, model(), 'AS_TEXT', null],
    ['an empty text is left out', text(0), model(), 'LEFT_OUT', 'It has no text.'],
    [
      'a text is left out if not even a page fits',
      text(900_000),
      model({ contextWindow: 800 }),
      'LEFT_OUT',
      'It is too long for this model: about 225,000 tokens, and the model takes 800.',
    ],
    ['a short text goes where it fits', text(1_900), model({ contextWindow: 800 }), 'AS_TEXT', null],
    [
      'a file that is lost is left out',
      { ...text(1_000), isUnreadable: true },
      model(),
      'LEFT_OUT',
      'It could not be read where files are kept.',
    ],
  ])('%s', async (_title, facts, taker, use, note) => {
    expect(await usesOf([facts], taker)).toMatchObject([{ use, note }]);
  });

  test('an image is counted by the size of its copy', async () => {
    expect(await usesOf([image()], model())).toMatchObject([{ tokens: (2_000 * 500) / 1_000 }]);
    expect(await usesOf([image({ width: 300, height: 100 })], model())).toMatchObject([{ tokens: 30 }]);
  });

  test('a long text is cut to 400,000 characters, and to the share of files in the context without the answer', async () => {
    const cutTo = (contextWindow: number, maxOutputTokens: number | null) =>
      usesOf([text(900_000)], model({ contextWindow, maxOutputTokens }));
    const most = [{ use: 'AS_TEXT', maxCharacters: 400_000, isCut: true, tokens: 100_000 }];
    expect(await cutTo(1_000_000, 64_000)).toMatchObject(most);
    expect(await cutTo(100_000, null)).toMatchObject([{ maxCharacters: 240_000, tokens: 60_000 }]);
    expect(await cutTo(100_000, 20_000)).toMatchObject([{ maxCharacters: 192_000 }]);
    // A list that states the window as the longest answer.
    expect(await cutTo(100_000, 100_000)).toMatchObject([{ maxCharacters: 120_000 }]);
  });
});

describe('files of a branch', () => {
  const kinds = async (files: readonly (FileFacts | readonly FileFacts[])[], taker: FileTaker) =>
    (await usesOf(files, taker)).map(({ use }) => use);

  test('of more images than a model takes the oldest are left out, and of one message the last', async () => {
    expect(await usesOf([image(), image(), image()], model())).toMatchObject([
      {
        use: 'LEFT_OUT',
        note: 'This model takes 2 images at most, and those of newer messages come first.',
      },
      { use: 'NATIVE' },
      { use: 'NATIVE' },
    ]);
    expect(await kinds([[image(), image(), image()]], model())).toEqual(['NATIVE', 'NATIVE', 'LEFT_OUT']);
  });

  test('of more bytes than a request takes, in base64, the oldest files are left out or go as text', async () => {
    const taker = model({ rules: { ...RULES, maxRequestBytes: 12_000 } });
    const large = { pictureBytes: 4_500 };
    expect(await kinds([image(large), image(large)], taker)).toEqual(['NATIVE', 'NATIVE']);
    expect((await usesOf([image({ pictureBytes: 4_503 }), image(large)], taker))[0]).toMatchObject({
      use: 'LEFT_OUT',
      note: 'The files of this conversation are more together than this model takes, and those of newer messages come first.',
    });
    expect((await usesOf([pdf(1, { sizeBytes: 4_503 }), image(large)], taker))[0]).toMatchObject({
      use: 'AS_TEXT',
      note: 'It is sent as text, because the files of this conversation are more together than this model takes.',
    });
  });

  test('images count together with pages', async () => {
    expect(await usesOf([image(), pdf(10), pdf(2)], model())).toMatchObject([
      {
        use: 'LEFT_OUT',
        note: 'The files of this conversation are more together than this model takes, and those of newer messages come first.',
      },
      { use: 'NATIVE' },
      { use: 'NATIVE' },
    ]);
    expect(await kinds([pdf(10), image(), pdf(2)], model())).toEqual(['AS_TEXT', 'NATIVE', 'NATIVE']);
  });

  test('of more pages than a request takes, the oldest documents go as text', async () => {
    expect(await kinds([pdf(5), pdf(4), pdf(4), pdf(4)], model())).toEqual([
      'AS_TEXT',
      'NATIVE',
      'NATIVE',
      'NATIVE',
    ]);
  });

  test('the newest texts come first when the context has no room for all', async () => {
    const uses = await usesOf(
      [text(900_000), text(200_000), text(300_000)],
      model({ contextWindow: 200_000 }),
    );
    expect(uses).toMatchObject([
      { use: 'LEFT_OUT', note: 'The other files of this conversation leave no room for it.' },
      { use: 'AS_TEXT', maxCharacters: 180_000, isCut: true },
      { use: 'AS_TEXT', maxCharacters: 300_000, isCut: false },
    ]);
  });

  test('texts and what was said count in the bytes of a request too, what was said in steps', async () => {
    const taker = (otherBytes: number) =>
      model({ contextWindow: 10_000_000, rules: { ...RULES, maxRequestBytes: 1_000_000 }, otherBytes });
    const step = 262_144;
    const charactersBeside = async (otherBytes: number, files: FileFacts[]) =>
      (await usesOf(files, taker(otherBytes))).map((use) =>
        use.use === 'AS_TEXT' ? use.characters : use.use,
      );
    expect(await charactersBeside(0, [text(900_000)])).toEqual([333_333]);
    expect(await charactersBeside(1, [text(900_000)])).toEqual([Math.floor((1_000_000 - step) / 3)]);
    expect(await charactersBeside(step, [text(900_000)])).toEqual([Math.floor((1_000_000 - step) / 3)]);
    expect(await charactersBeside(0, [text(100_000), image()])).toEqual([100_000, 'NATIVE']);
    expect(await charactersBeside(0, [image(), text(332_000)])).toEqual(['NATIVE', 332_000]);
    expect(await charactersBeside(0, [image(), text(332_001)])).toEqual(['LEFT_OUT', 332_001]);
  });

  test('a file is charged only for what is sent of it once it is cut', async () => {
    const taker = model({ contextWindow: 200_000 });
    const cutTo = (characters: number) => async (use: TextUse) => ({ ...use, characters });
    const uses = await usesOf([text(900_000), text(900_000)], taker, cutTo(250_000));
    expect(uses).toMatchObject([
      { maxCharacters: 230_000 },
      { maxCharacters: 400_000, characters: 250_000, tokens: 62_500 },
    ]);
    const blank = async (): Promise<FileUse> => ({ use: 'LEFT_OUT', note: 'It is blank.', tokens: 0 });
    const [older] = await usesOf([text(300_000), text(900_000)], taker, blank);
    expect(older).toMatchObject({ characters: 300_000 });
  });

  test('the largest context has room for two million characters', async () => {
    const uses = await usesOf(Array(6).fill(text(900_000)), model({ contextWindow: 10_000_000 }));
    expect(uses.map(({ use }) => use)).toEqual(['LEFT_OUT', ...Array(5).fill('AS_TEXT')]);
  });

  test('a context that is not known is taken for a small one', async () => {
    expect(await usesOf([text(900_000)], model({ contextWindow: null }))).toMatchObject([
      { maxCharacters: 0.6 * 32_000 * 4, isCut: true, tokens: 0.6 * 32_000 },
    ]);
  });

  test('a text is cut by what its characters are in tokens, for each model', async () => {
    const chinese = { ...text(300_000), textTokens: 300_000 };
    const small = (charactersPerToken: number) =>
      model({ contextWindow: 100_000, rules: { ...RULES, charactersPerToken } });
    expect(await usesOf([chinese], small(4))).toMatchObject([{ maxCharacters: 60_000, tokens: 60_000 }]);
    expect(await usesOf([chinese], small(2))).toMatchObject([{ maxCharacters: 30_000, tokens: 60_000 }]);
    expect(await usesOf([text(300_000)], small(4))).toMatchObject([
      { maxCharacters: 240_000, tokens: 60_000 },
    ]);
  });
});

describe('for any files and any model', () => {
  const size = (max: number) => fc.oneof(fc.nat(max), fc.nat(10));
  const limit = (max: number) => fc.option(size(max));
  const anyFile: fc.Arbitrary<FileFacts> = fc.record({
    kind: fc.constantFrom('IMAGE', 'PDF', 'TEXT', 'DOCUMENT'),
    mediaType: fc.constantFrom('application/pdf', 'application/docx', 'text/plain'),
    sizeBytes: size(20_000_000),
    width: size(30_000),
    height: size(30_000),
    pageCount: fc.option(size(2_000)),
    isEncrypted: fc.boolean(),
    refusedBy: fc.subarray(['OPENAI', 'GEMINI']),
    textLength: fc.option(size(1_000_000)),
    textTokens: fc.option(size(1_000_000)),
    pictureBytes: size(3_500_000),
    pictureMediaType: fc.constantFrom('image/png', 'image/jpeg'),
    note: fc.option(fc.constant('A note.')),
    isUnreadable: fc.boolean(),
  });
  const anyRules: fc.Arbitrary<FileRules> = fc.record({
    images: fc.option(
      fc.record({
        mediaTypes: fc.subarray(['image/png', 'image/jpeg']),
        maxBytes: limit(5_000_000),
        maxCount: limit(20),
        maxSide: limit(4_000),
        estimateTokens: fc.constant((width: number, height: number) => Math.ceil((width * height) / 784)),
      }),
    ),
    documents: fc.array(
      fc.record({
        mediaTypes: fc.subarray(['application/pdf', 'application/docx']),
        maxBytes: limit(30_000_000),
        maxPages: limit(1_000),
        tokensPerPage: size(3_000),
      }),
      { maxLength: 2 },
    ),
    maxRequestBytes: limit(60_000_000),
    maxImagesAndPages: limit(1_000),
    charactersPerToken: fc.constantFrom(1.5, 2.5, 3.5, 4),
  });
  const anyModel: fc.Arbitrary<FileTaker> = fc.record({
    provider: fc.constantFrom({ name: 'OPENAI', title: 'OpenAI' }, { name: 'XAI', title: 'xAI' }),
    rules: anyRules,
    contextWindow: limit(2_000_000),
    maxOutputTokens: limit(200_000),
    otherBytes: size(4_000_000),
  });
  const anyBranch = fc.array(fc.array(anyFile, { maxLength: 4 }), { maxLength: 6 });

  test('every file has one use, in its place, and all of them keep within every limit', async () => {
    await fc.assert(
      fc.asyncProperty(anyBranch, anyModel, async (messages, taker) => {
        const uses = await usesOf(messages, taker);
        const files = messages.flat();
        const { rules, contextWindow } = taker;
        const inUse = files.map((facts, index) => ({ facts, use: uses[index] ?? expect.unreachable() }));
        const tokens = uses.reduce((total, use) => total + use.tokens, 0);
        expect(tokens).toBeLessThanOrEqual(0.6 * (contextWindow ?? 32_000));
        const native = inUse.filter(({ use }) => use.use === 'NATIVE');
        const bytes = native.map(({ facts }) =>
          facts.kind === 'IMAGE' ? facts.pictureBytes : facts.sizeBytes,
        );
        const base64 = bytes.reduce<number>((total, each) => total + 4 * Math.ceil((each ?? 0) / 3), 0);
        expect(base64).toBeLessThanOrEqual(rules.maxRequestBytes ?? Infinity);
        const pages = native.map(({ facts }) => (facts.kind === 'IMAGE' ? 1 : (facts.pageCount ?? 0)));
        const together = pages.reduce((total, each) => total + each, 0);
        expect(together).toBeLessThanOrEqual(rules.maxImagesAndPages ?? Infinity);
        const images = native.filter(({ facts }) => facts.kind === 'IMAGE');
        expect(images.length).toBeLessThanOrEqual(
          rules.images === null ? 0 : (rules.images.maxCount ?? Infinity),
        );
        const texts = uses.reduce((total, use) => total + (use.use === 'AS_TEXT' ? use.characters : 0), 0);
        expect(base64 + 3 * texts + taker.otherBytes).toBeLessThanOrEqual(
          Math.max(rules.maxRequestBytes ?? Infinity, taker.otherBytes),
        );
        for (const { facts, use } of inUse) {
          if (use.use === 'LEFT_OUT') expect(use.note).toMatch(/\.$/);
          if (use.use !== 'AS_TEXT') continue;
          expect(use.maxCharacters).toBeGreaterThan(0); // never an empty file
          expect(use.maxCharacters).toBeLessThanOrEqual(Math.min(400_000, facts.textLength ?? 0));
          expect(use.isCut).toBe(use.maxCharacters < (facts.textLength ?? 0));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('a turn without new files changes nothing about the files before it', async () => {
    await fc.assert(
      fc.asyncProperty(anyBranch, anyModel, async (messages, taker) => {
        expect(await usesOf([...messages, []], taker)).toEqual(await usesOf(messages, taker));
      }),
    );
  });

  test('files that all fit go the same whatever is added, as long as that fits too', async () => {
    const ample = model({
      contextWindow: 100_000_000,
      rules: { ...RULES, maxRequestBytes: null, maxImagesAndPages: null },
    });
    const fits = fc.array(fc.array(fc.constantFrom(text(1_000), pdf(3), docx), { maxLength: 3 }), {
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(fits, fits, async (before, added) => {
        const uses = await usesOf(before, ample);
        expect((await usesOf([...before, ...added], ample)).slice(0, uses.length)).toEqual(uses);
      }),
    );
  });

  test('the rules of every provider decide about every kind of file', async () => {
    const files = [image(), pdf(3), docx, text(1_000), text(0)];
    for (const provider of PROVIDER_NAMES)
      for (const capabilities of [[], ['IMAGE_INPUT'], ['IMAGE_INPUT', 'PDF_INPUT']] as const) {
        const rules = fileRulesOf(provider, { name: 'any', capabilities, contextWindow: null });
        const uses = (await usesOf(files, model({ rules, contextWindow: null }))).map(({ use }) => use);
        expect(uses[0]).toBe(capabilities.length === 0 ? 'LEFT_OUT' : 'NATIVE');
        expect(uses.slice(3)).toEqual(['AS_TEXT', 'LEFT_OUT']);
      }
  });
});

describe('the estimate of tokens', () => {
  const random = Buffer.from(Array.from({ length: 3_000 }, (_, index) => (index * index * 31) % 251));
  test.each<[string, string, number, number]>([
    ['English', 'Whoever opens a door has to close it, and nobody else will. ', 3.5, 4],
    ['German', 'Wer eine Tür öffnet, muß sie auch schließen, und niemand außer ihm. ', 3.2, 4],
    ['code', '  if (row === undefined) return null;\n  const key = openKey(row);\n', 2.8, 4],
    ['Russian', 'Кто открывает дверь, тот её и закрывает. ', 1.8, 2.5],
    ['Chinese', '打开门的人必须把门关上，没有别人会去关。', 1, 1],
    ['Japanese', 'ドアを開けた人が閉めなければなりません。', 1, 1],
    ['Korean', '문을 연 사람이 닫아야 합니다. ', 1, 1.8],
    ['numbers', '2026-11-30,17.25,883.10,-4.5\n', 1.9, 2.2],
    ['hexadecimal digits', random.toString('hex'), 1.9, 2.2],
    ['base64', random.toString('base64'), 1.9, 2.2],
    ['emoji', '😀🎉', 1, 1],
  ])('a token of %s has about as many characters as models cut it into', (_name, piece, least, most) => {
    const text = piece.repeat(50);
    const perToken = text.length / estimateTokens(text);
    expect(perToken).toBeGreaterThanOrEqual(least);
    expect(perToken).toBeLessThanOrEqual(most);
  });

  test('of nothing there is nothing, and of a letter one token', () => {
    expect([estimateTokens(''), estimateTokens('a')]).toEqual([0, 1]);
  });
});

describe('a text that is cut', () => {
  const pages = Array.from({ length: 5 }, (_, index) => `[page ${index + 1}]\n${'x'.repeat(90)}\n`).join('');
  const ofPdf = { kind: 'PDF', pageCount: 1_000 } as const;

  test('a PDF is cut before a page, and the part is named', () => {
    expect(cutText(pages, 250, ofPdf)).toEqual({ text: pages.slice(0, 200), part: 'pages 1–2 of 1,000' });
    expect(cutText(pages, 199, ofPdf)).toEqual({ text: pages.slice(0, 100), part: 'page 1 of 1,000' });
  });

  test('a page that is longer than what is sent is cut after a line, or anywhere', () => {
    const long = `[page 1]\n${'x'.repeat(60)}\n${'y'.repeat(60)}`;
    expect(cutText(long, 90, ofPdf)).toEqual({ text: long.slice(0, 70), part: 'its beginning' });
    expect(cutText('x'.repeat(100), 90, ofPdf)).toEqual({ text: 'x'.repeat(90), part: 'its beginning' });
  });

  test('a cut before a page or after a line never costs more than half of what may be sent', () => {
    const twoPages = `[page 1]\nTitle\n\n[page 2]\n${'word '.repeat(1_000)}`;
    expect(cutText(twoPages, 400, ofPdf)).toEqual({ text: twoPages.slice(0, 400), part: 'its beginning' });
    const packed = `/*! licence */\n${'x'.repeat(1_000)}`;
    const text = { kind: 'TEXT', pageCount: null } as const;
    expect(cutText(packed, 400, text)).toEqual({ text: packed.slice(0, 400), part: 'its beginning' });
    const odd = `a\n${'😀'.repeat(100)}`;
    expect(cutText(odd, 101, text).text).toBe(odd.slice(0, 100));
  });

  test('lines that only look like marks of pages are not counted', () => {
    const [one, two, three] = ['a', 'b', 'c'].map((letter) => `${letter.repeat(90)}\n`);
    const forged = `[page 1]\n${one}[page 900]\n[page 1]\n[page 2]\n${two}[page 700]\n[page 3]\n${three}`;
    const end = forged.indexOf('[page 3]');
    expect(cutText(forged, end + 50, ofPdf)).toEqual({
      text: forged.slice(0, end),
      part: 'pages 1–2 of 1,000',
    });
    expect(cutText(`${one}[page 2]\n${two}`, 150, ofPdf).part).toBe('its beginning');
  });

  test('other texts are cut after a line, with their first lines as they are', () => {
    const table = 'name,size\n'.repeat(10);
    expect(cutText(table, 35, { kind: 'TEXT', pageCount: null })).toEqual({
      text: table.slice(0, 30),
      part: 'lines 1–3',
    });
    expect(cutText(table, 100, { kind: 'TEXT', pageCount: null })).toEqual({ text: table, part: null });
  });

  test('a character of two code units is not cut in half', () => {
    expect(cutText('a😀b', 2, { kind: 'TEXT', pageCount: null }).text).toBe('a');
  });
});
