import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { sql } from 'drizzle-orm';
import type { Client } from 'graphql-ws';
import { createElement, type FunctionComponent } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { transformWithOxc } from 'vite';
import { expect, test, vi } from 'vitest';
import { ANSWER_ERRORS } from '../src/answer-error.ts';
import { ERROR_CODES } from '../src/errors.ts';
import { startSimulator } from '../src/simulator/simulator.ts';
import { askHeld } from './kit/answer.ts';
import { seen, upload, whenRead } from './kit/attachment.ts';
import { freshDatabase } from './kit/database.ts';
import { eventually } from './kit/eventually.ts';
import { nodesOf, type Page } from './kit/page.ts';
import { importRecipe, PAGES, page, recipe, recipeFolder } from './kit/pages.ts';
import { personOf, post, signUp } from './kit/person.ts';
import { startServerProcess } from './kit/process.ts';
import { startTestServer } from './kit/server.ts';

const run = promisify(execFile);

const SLOWEST_MS = 120_000; // processes of their own, on a machine that is busy

test(
  'the picture of the front page shows what the demo prints',
  async () => {
    const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
    const { stdout } = await run(process.execPath, [main, 'demo', '--once'], {
      env: { ...process.env, PORT: '0' },
    });
    const rows = [...page('docs/demo.svg').matchAll(/<text .*?>(.*)<\/text>/g)].map(([, row = '']) =>
      row.replace(/<.*?>/g, '').replaceAll('&lt;', '<').replaceAll('&amp;', '&'),
    );
    const drawn = linesOf(rows.join('\n'));
    // To draw it again: npm run picture
    expect(drawn).toEqual(['$ npm run demo', ...linesOf(stdout)]);
  },
  SLOWEST_MS,
);

/** Lines of text, with what differs from run to run (ids, keys and boxes) left out. */
function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim().replace(/wsp_\w+|\S*…[^\s,]*/g, '*'))
    .filter((line) => line !== '');
}

test('the front page is short, and its picture small', () => {
  expect(Buffer.byteLength(page('README.md'))).toBeLessThan(12 * 1024);
  expect(Buffer.byteLength(page('docs/demo.svg'))).toBeLessThan(60 * 1024);
});

test('the component of the front page shows an answer as it grows', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const [model] = (await ada.addKey()).models;
  const { answerId, call } = await askHeld(server.simulator, ada, model ?? expect.unreachable(), {
    directive: 'say One two three.',
  });
  const { code } = await transformWithOxc(recipe('react', server.url), 'answer.tsx');
  using folder = recipeFolder();
  const { connect, followAnswer, AnswerText } = (await import(
    /* @vite-ignore */ folder.write('answer.mjs', code)
  )) as ReactRecipe;
  const client = connect(ada.token);
  const answer = followAnswer(client, answerId);
  const shown: string[] = [];
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  call.release(1);
  answer.subscribe(() => {
    const markup = renderToStaticMarkup(createElement(AnswerText, { answer }));
    if (markup === '<p></p>') return; // its reasoning comes first
    shown.push(markup);
    if (shown.length === 1) client.terminate(); // it connects again by itself
    call.release(shown.length === 1 ? 1 : undefined);
    if (shown.at(-1) === '<p>One two three.</p>') end();
  });
  await ended;
  await client.dispose();
  expect(shown[0]).toBe('<p>One</p>');
});

interface ReactRecipe {
  connect(token: string): Client;
  followAnswer(client: Client, answerId: string): Answer;
  AnswerText: FunctionComponent<{ answer: Answer }>;
}

interface Answer {
  subscribe(onChange: () => void): () => void;
}

test(
  'the recipe for a terminal does the main job unchanged',
  async () => {
    if (spawnSync('curl', ['--version']).error !== undefined)
      throw new Error('curl is not installed. This test runs the recipe for a terminal: install curl.');
    // The recipe signs up the same person every time.
    const database = await freshDatabase();
    const simulator = await startSimulator({ paceMs: 20 });
    await using server = await startTestServer({}, { database, simulator });
    const { stdout, stderr } = await run(
      'bash',
      ['--norc', '-euo', 'pipefail', '-c', recipe('curl', server.url)],
      {
        env: { ...process.env, OPENAI_API_KEY: 'sk-sim-from-the-terminal' },
      },
    );

    await simulator.close();
    expect(stderr).toBe('');
    expect(stdout).toContain('{"data":{"workspace":{"models":{"nodes":[{"title":"');
    const events = [...stdout.matchAll(/^data: (\{.*\})$/gm)].map(
      ([, data]) => JSON.parse(data ?? '').data.answerEvents as StreamedEvent,
    );
    const end = events.pop();
    expect(end).toMatchObject({ __typename: 'AnswerFinished', answer: { status: 'COMPLETE' } });
    expect(end?.answer?.text).toContain('What is a latchkey?');
    // A slow machine may ask only after the answer has ended, and then gets just its end.
    const texts = events.filter(({ part }) => part === 'TEXT');
    expect(['', end?.answer?.text]).toContain(texts.map(({ text }) => text).join(''));
  },
  SLOWEST_MS,
);

interface StreamedEvent {
  __typename: string;
  part?: string;
  text?: string;
  answer?: { status: string; text: string };
}

test('the recipe for a browser adds a key that no request holds readably', async () => {
  await using server = await startTestServer({ LATCHKEY_REQUIRE_SEALED_KEYS: 'on' });
  const ada = await server.signUp();
  const served = async (path: string) => await (await fetch(server.url + path)).text();
  const { addSealedApiKey } = await importRecipe<Seal>('seal-key', server.url, {
    'seal.js': await served('/seal.js'),
  });
  expect(await served('/seal.d.ts')).toBe(page('schema/seal.d.ts'));
  const secret = 'sk-sim-pasted-into-a-page';
  const sent: string[] = [];
  async function send(query: string, variables: object): Promise<object> {
    sent.push(JSON.stringify(variables));
    const { data, errors } = await post(server.url, ada.token, { query, variables });
    expect(errors).toBeUndefined();
    return data ?? {};
  }
  const added = { __typename: 'AddApiKeyPayload', apiKey: { hint: 'page', status: 'ACTIVE' } };
  expect(await addSealedApiKey(send, ada.workspaceId, 'OPENAI', secret)).toMatchObject(added);

  // A page that was opened before the server's keys were rotated holds a key that is no longer in use.
  const stale = { id: 'a key of long ago', publicKey: Buffer.alloc(32, 9).toString('base64') };
  const sendLate = async (query: string, variables: object) =>
    query.startsWith('query') ? { workspace: { sealingKey: stale } } : await send(query, variables);
  expect(await addSealedApiKey(sendLate, ada.workspaceId, 'OPENAI', secret)).toMatchObject(added);

  expect(sent).toHaveLength(4);
  for (const variables of sent) expect(variables).not.toContain(secret);
});

interface Seal {
  addSealedApiKey(
    send: (query: string, variables: object) => Promise<object>,
    workspaceId: string,
    provider: string,
    secret: string,
  ): Promise<object>;
}

test('the recipe for a terminal uploads a file unchanged', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  using folder = recipeFolder();
  folder.write('notes.txt', 'What is in it.');
  const script = recipe('files-curl', server.url);
  const { stdout, stderr } = await run('bash', ['--norc', '-euo', 'pipefail', '-c', script], {
    cwd: folder.path,
    env: { ...process.env, token: ada.token, workspace: ada.workspaceId },
  });
  expect(stderr).toBe('');
  const { url } = JSON.parse(stdout.trim()).data.node as { url: string };
  expect(await (await fetch(url)).text()).toBe('What is in it.');
});

test('the recipe for a page uploads a file and says how far it is', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const { uploadFile } = await importRecipe<{ uploadFile: UploadFile }>('upload-file', server.url);
  const send = async (query: string, variables: object): Promise<object> =>
    (await post(server.url, ada.token, { query, variables })).data ?? {};
  vi.stubGlobal('XMLHttpRequest', RequestOfPage);
  const parts: number[] = [];
  const { signal } = new AbortController();
  const uploadOne = (file: File) =>
    uploadFile(send, ada.workspaceId, file, (part) => parts.push(part), signal);
  const id = await uploadOne(new File(['What is in it.'], 'notes.txt'));
  expect(parts).toEqual([1]);
  const { url } = await whenRead(ada, id);
  expect(await (await fetch(url ?? '')).text()).toBe('What is in it.');
  await expect(uploadOne(new File([], 'empty.txt'))).rejects.toThrow(
    '"empty.txt" is empty. Choose another file.',
  );
  vi.unstubAllGlobals();
});

test('the recipe for a page ends an upload that is cancelled, of which nothing is kept', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const { uploadFile } = await importRecipe<{ uploadFile: UploadFile }>('upload-file', server.url);
  const cancel = new AbortController();
  const reason = new Error('The person has changed their mind.');
  const ids: string[] = [];
  const send = async (query: string, variables: object): Promise<object> => {
    const { data } = (await post(server.url, ada.token, { query, variables })) as CreatedFile;
    ids.push(data.createAttachment.attachment.id);
    return data;
  };
  vi.stubGlobal('XMLHttpRequest', StalledRequestOfPage);
  const uploading = uploadFile(send, ada.workspaceId, new File(['words'], 'a.txt'), () => {}, cancel.signal);
  const outcome = expect(uploading).rejects.toBe(reason);
  await eventually('it is being sent', () => StalledRequestOfPage.isSending);
  cancel.abort(reason);
  await outcome;
  expect(await seen(ada, ids[0] ?? '')).toMatchObject({ status: 'WAITING' });
  vi.unstubAllGlobals();
});

interface CreatedFile {
  data: { createAttachment: { attachment: { id: string } } };
}

test('the recipe for a page takes files that are dropped or pasted, and leaves pasted text to the page', async () => {
  const { takeFiles } = await importRecipe<{ takeFiles: TakeFiles }>('take-files', 'http://x');
  const element = new EventTarget();
  const taken: File[][] = [];
  const end = takeFiles(element, (files) => taken.push(files));
  const file = new File(['words'], 'a.txt');
  /** Whether the page keeps the browser from doing what it does by itself. */
  const happens = (type: string, data: object = {}): boolean =>
    !element.dispatchEvent(Object.assign(new Event(type, { cancelable: true }), data));
  expect(happens('dragover')).toBe(true);
  expect(happens('drop', { dataTransfer: { files: [file, file], types: ['Files'] } })).toBe(true);
  expect(happens('paste', { clipboardData: { files: [file], types: ['Files'] } })).toBe(true);
  expect(happens('paste', { clipboardData: { files: [file], types: ['text/plain', 'Files'] } })).toBe(false);
  expect(happens('paste', { clipboardData: { files: [], types: ['text/plain'] } })).toBe(false);
  end();
  expect(happens('drop', { dataTransfer: { files: [file], types: ['Files'] } })).toBe(false);
  expect(taken).toEqual([[file, file], [file]]);
});

type TakeFiles = (element: EventTarget, onFiles: (files: File[]) => void) => () => void;

test('the recipe for a backup brings files back on another server', async () => {
  using folder = recipeFolder();
  const [data, restored] = [join(folder.path, 'data'), join(folder.path, 'restored')];
  const first = await startServerProcess({ LATCHKEY_DATA_DIR: data });
  const ada = await signUp(first.url);
  const { id } = await upload(ada, 'What is in it.');
  first.process.kill('SIGTERM');
  await first.ended;
  const env = { ...process.env, data, restored };
  for (const name of ['files-backup', 'files-restore']) {
    const words = ['--norc', '-euo', 'pipefail', '-c', recipe(name, first.url)];
    expect(await run('bash', words, { cwd: folder.path, env })).toEqual({ stdout: '', stderr: '' });
  }
  await rm(data, { recursive: true });
  const second = await startServerProcess({ LATCHKEY_DATA_DIR: restored });
  const again = await personOf(second.url, ada.email, ada.token);
  const { url } = (await seen(again, id)) ?? expect.unreachable();
  expect(await (await fetch(url ?? '')).text()).toBe('What is in it.');
  second.process.kill('SIGTERM');
  await second.ended;
}, 60_000);

type UploadFile = (
  run: (query: string, variables: object) => Promise<object>,
  workspaceId: string,
  file: File,
  onProgress: (part: number) => void,
  signal: AbortSignal,
) => Promise<string>;

/** What the recipe needs of a browser's XMLHttpRequest. */
class RequestOfPage {
  readonly upload: { onprogress?: (event: { loaded: number }) => void } = {};
  onload?: () => void;
  status = 0;
  responseText = '';
  readonly #headers = new Headers();
  #target: [method: string, url: string] = ['', ''];

  open(...target: [method: string, url: string]): void {
    this.#target = target;
  }

  setRequestHeader(name: string, value: string): void {
    this.#headers.set(name, value);
  }

  async send(body: File): Promise<void> {
    const [method, url] = this.#target;
    const response = await fetch(url, { method, headers: this.#headers, body });
    this.upload.onprogress?.({ loaded: body.size });
    this.status = response.status;
    this.responseText = await response.text();
    this.onload?.();
  }
}

/** One that sends nothing and waits. */
class StalledRequestOfPage {
  static isSending = false;
  readonly upload = {};
  onabort?: () => void;

  open(): void {}

  setRequestHeader(): void {}

  send(): void {
    StalledRequestOfPage.isSending = true;
  }

  abort(): void {
    this.onabort?.();
  }
}

test('after a lost root key, the statement of docs/operations.md lets keys be pasted again', async () => {
  const database = await freshDatabase();
  const kept = { ...database, close: async () => {} };
  const newSecret = () => randomBytes(32).toString('base64');
  const settings = { LATCHKEY_AUTH_SECRET: newSecret() };
  const withOldRoot = await startTestServer(settings, { database: kept });
  const ada = await withOldRoot.signUp();
  const { apiKey } = await ada.addKey();
  const { id } = await upload(ada, 'A file that is lost with the root key.');
  await withOldRoot.close();

  const newRoot = { ...settings, LATCHKEY_ROOT_KEY: newSecret() };
  await expect(startTestServer(newRoot, { database: kept })).rejects.toThrow('Root key needed');
  await database.db.execute(sql.raw(recipe('lost-root', 'http://127.0.0.1:4000')));
  await using server = await startTestServer(newRoot, { database });
  const again = await personOf(server.url, ada.email, ada.token);
  const listed = await again.run<{ apiKeys: Page<{ status: string }> }>('api-keys', {
    workspaceId: ada.workspaceId,
  });
  expect(nodesOf(listed.apiKeys)).toMatchObject([{ status: 'NEEDS_REENTRY' }]);
  expect(await seen(again, id)).toBeNull();
  const input = { id: apiKey.id, secret: 'sk-sim-pasted-once-more' };
  expect(await again.run('replace-api-key-secret', { input })).toMatchObject({
    apiKey: { status: 'ACTIVE' },
  });
});

test('the recipes in TypeScript pass the compiler in strict mode', async () => {
  using folder = recipeFolder();
  const copied = ['possible-types.json', 'seal.js', 'seal.d.ts'] as const;
  for (const file of copied) folder.write(file, page(`schema/${file}`));
  const files = [
    'apollo.ts',
    'follow.ts',
    'seal-key.ts',
    'urql.ts',
    'graphcache.ts',
    'react.tsx',
    'in-tests.ts',
    'upload-file.ts',
    'take-files.ts',
  ];
  const simulator = fileURLToPath(new URL('../src/simulator/simulator.ts', import.meta.url));
  for (const file of files) {
    const code = recipe(file.replace(/\..*/, ''), 'http://127.0.0.1:4000');
    folder.write(file, code.replace('../src/simulator/simulator.ts', simulator));
  }
  folder.write('package.json', '{ "type": "module" }');
  const { compilerOptions } = JSON.parse(page('tsconfig.json'));
  folder.write(
    'tsconfig.json',
    // The types of urql and graphql-ws do not meet under this one.
    JSON.stringify({
      compilerOptions: {
        ...compilerOptions,
        lib: [...compilerOptions.lib, 'dom', 'dom.iterable'],
        exactOptionalPropertyTypes: false,
        jsx: 'react-jsx',
      },
      files,
    }),
  );
  const compiler = fileURLToPath(new URL('../node_modules/.bin/tsc', import.meta.url));
  const { stdout } = await run(compiler, ['-p', folder.path]).catch((error: { stdout: string }) => error);
  expect(stdout).toBe('');
});

test('every setting is in the table of settings, and nothing else', () => {
  const read = [...page('src/config.ts').matchAll(/\benv\.([A-Z_0-9]+)/g)].map(([, name]) => name);
  const documented = [...page('docs/configuration.md').matchAll(/^\| `([A-Z_0-9]+)` \|/gm)].map(
    ([, name]) => name,
  );
  expect(documented.toSorted()).toEqual([...new Set(read)].toSorted());
});

test('every error code is in the table of errors, with who can fix it', () => {
  const [, table = ''] = page('docs/errors.md').split('\n## Codes\n');
  const rows = [...table.matchAll(/^\| `([A-Z_]+)` \| ([A-Z_]+) \|/gm)];
  const documented = Object.fromEntries(rows.map(([, code, fixableBy]) => [code, fixableBy]));
  expect(Object.keys(documented).toSorted()).toEqual([...ERROR_CODES].toSorted());
  for (const [code, { fixableBy }] of Object.entries(ANSWER_ERRORS))
    expect(`${code} ${documented[code]}`).toBe(`${code} ${fixableBy}`);
});

test.each(PAGES)('in %s, every npm script, file and heading that is named exists', (path) => {
  const { scripts } = JSON.parse(page('package.json')) as { scripts: Record<string, string> };
  const text = page(path);
  for (const [, script = ''] of text.matchAll(/\bnpm run ([\w-]+(?::[\w-]+)*)/g))
    expect(scripts).toHaveProperty([script]);
  for (const [link, target = '', heading] of withoutCode(text).matchAll(LINK)) {
    const linked = target === '' ? path : posix.join(posix.dirname(path), target);
    expect(existsSync(new URL(`../${linked}`, import.meta.url)), link).toBe(true);
    if (heading !== undefined) expect(anchorsOf(page(linked)), link).toContain(heading);
  }
  for (const [, named = ''] of withoutCode(text).matchAll(/`((?:src|test|schema|deploy)\/[\w./-]+)`/g))
    expect(existsSync(new URL(`../${named}`, import.meta.url)), named).toBe(true);
});

/** A link or picture in Markdown, or in HTML inside it, that leads to no other site: its path, and the heading after `#`. */
const LINK = /(?:\]\(|(?:href|src)=")(?!https?:)([^)"\s#]*)(?:#([^)"\s]*))?/g;

/** What a link to a heading says after the `#`. */
function anchorsOf(text: string): string[] {
  return [...withoutCode(text).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replace(/ /g, '-'),
  );
}

function withoutCode(text: string): string {
  return text.replace(/^ *```.*?^ *```$/gms, '');
}
