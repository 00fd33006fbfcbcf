import { readdir, readFile } from 'node:fs/promises';
import { CSS, HTML, type PageFile, readPage, SCRIPT } from './page-file.ts';

/**
 * The page for exploring the API and what it is made of, all of it from this server. Yoga would send it as one page of nine
 * megabytes that runs scripts of its own text; cut into files it is kept by browsers, and nothing runs but these files.
 */
export function graphiqlFiles(): Record<string, PageFile> {
  return {
    '/graphql': { contentType: HTML, headers: { 'content-security-policy': POLICY }, load: loadPage },
    '/graphiql/start.js': { contentType: SCRIPT, load: () => readPage('graphiql-start.js') },
    '/graphiql/page.css': { contentType: CSS, load: () => readPage('graphiql.css') },
    '/graphiql/graphiql.js': { contentType: SCRIPT, load: async () => (await parts()).js },
    '/graphiql/graphiql.css': { contentType: CSS, load: async () => (await parts()).css },
    '/graphiql/editor-worker.js': {
      contentType: SCRIPT,
      load: async () => (await parts()).editorWorkerService,
    },
    '/graphiql/graphql-worker.js': { contentType: SCRIPT, load: async () => (await parts()).graphqlWorker },
    '/graphiql/json-worker.js': { contentType: SCRIPT, load: async () => (await parts()).jsonWorker },
  };
}

/** Nine megabytes of text that a server may never be asked for. */
async function parts() {
  return await import('@graphql-yoga/render-graphiql/graphiql');
}

/** The editor writes its styles and fonts into the page itself; scripts come from files only. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "worker-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "font-src 'self' data:",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

async function loadPage(): Promise<string> {
  const html = await readPage('graphiql.html');
  // A "<" would be read as HTML. JSON may write it in another way.
  const tabs = JSON.stringify(await loadTabs()).replaceAll('<', '\\u003c');
  return html.replace('[]', () => tabs);
}

/** Every document of `schema/operations`, in the order in which somebody new would want them. */
async function loadTabs(): Promise<{ query: string; variables: string }[]> {
  const folder = new URL('../../schema/operations/', import.meta.url);
  const names = (await readdir(folder)).map((file) => file.replace(/\.graphql$/, ''));
  const known = Object.keys(VARIABLES).filter((name) => names.includes(name));
  const others = names.filter((name) => !Object.hasOwn(VARIABLES, name)).sort();
  return await Promise.all(
    [...known, ...others].map(async (name) => ({
      query: await readFile(new URL(`${name}.graphql`, folder), 'utf8'),
      variables: JSON.stringify(VARIABLES[name] ?? {}, null, 2),
    })),
  );
}

/** The page puts the signed-in person's own workspace in its place. */
const WORKSPACE = 'id of personalWorkspace in the first tab';
const API_KEY = 'id of an API key';
const MODEL = 'id of a model';
const THREAD = 'id of a thread';
const ANSWER = 'id of an answer';

/** Example variables, in the order of the tabs. */
const VARIABLES: Readonly<Record<string, object>> = {
  viewer: {},
  providers: {},
  'add-api-key': { input: { workspaceId: WORKSPACE, provider: 'OPENAI', secret: 'sk-…' } },
  models: { workspaceId: WORKSPACE },
  'create-thread': { input: { workspaceId: WORKSPACE } },
  'send-message': { input: { threadId: THREAD, modelIds: [MODEL], text: 'What is a latchkey?' } },
  'answer-events': { messageId: ANSWER },
  'thread-events': { threadId: THREAD },
  thread: { id: THREAD },
  threads: { workspaceId: WORKSPACE },
  'stop-answer': { input: { messageId: ANSWER } },
  'regenerate-answer': { input: { messageId: ANSWER } },
  'update-thread': { input: { id: THREAD, title: 'A better title' } },
  'delete-thread': { input: { id: THREAD } },
  'api-keys': { workspaceId: WORKSPACE },
  'check-api-key': { input: { id: API_KEY } },
  'update-api-key': { input: { id: API_KEY, label: 'For experiments' } },
  'replace-api-key-secret': { input: { id: API_KEY, secret: 'sk-…' } },
  'refresh-models': { input: { apiKeyId: API_KEY } },
  'remove-api-key': { input: { id: API_KEY } },
};
