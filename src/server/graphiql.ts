import { readdir, readFile } from 'node:fs/promises';
import { CSS, HTML, type PageFile, readPage, SCRIPT } from './page-file.ts';

/**
 * GraphiQL and its files, all from this server. Yoga would send it as one page of nine megabytes with inline scripts; as separate
 * files it is cached by browsers, and the content security policy can forbid inline scripts.
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

/** Imported only on request: nine megabytes of text that many servers never need. */
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
  const json = (value: object) => JSON.stringify(value).replaceAll('<', '\\u003c');
  const tabs = json(await loadTabs());
  return html.replace('{}', () => json(PLACE)).replace('[]', () => tabs);
}

/** Every document of `schema/operations`, in the order in which a new user would need them. */
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

/** Placeholders for ids in variables, by kind. The page replaces them with ids of the viewer, and of things that are made. */
const PLACE = {
  workspace: 'id of the personal workspace',
  shared: 'id of a shared workspace',
  team: 'id of a team',
  user: 'id of a person',
  key: 'id of an API key',
  model: 'id of a model',
  variant: 'id of a variant',
  thread: 'id of a thread',
  answer: 'id of an answer',
  attachment: 'id of a file',
  invitation: 'id of an invitation',
  token: 'token of an invitation',
} as const;

/** Not a real key. Simulated providers accept it as they accept any text. */
const SECRET = 'sk-paste-your-own-key-here';

/** Example variables, in the order of the tabs: operations that create a thing come first, those that delete it last. */
const VARIABLES: Readonly<Record<string, object>> = {
  viewer: {},
  providers: {},
  'add-api-key': { input: { workspaceId: PLACE.workspace, provider: 'OPENAI', secret: SECRET } },
  models: { workspaceId: PLACE.workspace },
  'create-thread': { input: { workspaceId: PLACE.workspace } },
  'send-message': { input: { threadId: PLACE.thread, modelIds: [PLACE.model], text: 'What is a latchkey?' } },
  'answer-events': { answerId: PLACE.answer },
  'thread-events': { threadId: PLACE.thread },
  'workspace-events': { workspaceId: PLACE.workspace },
  thread: { id: PLACE.thread },
  threads: { workspaceId: PLACE.workspace },
  'stop-answer': { input: { answerId: PLACE.answer } },
  'regenerate-answer': { input: { answerId: PLACE.answer } },
  'update-thread': { input: { id: PLACE.thread, title: 'A better title' } },
  'create-attachment': { input: { workspaceId: PLACE.workspace, fileName: 'notes.txt', sizeBytes: 1000 } },
  attachment: { id: PLACE.attachment },
  model: { id: PLACE.model },
  'create-model-variant': {
    input: {
      workspaceId: PLACE.workspace,
      baseModelId: PLACE.model,
      title: 'Pirate',
      options: { systemPrompt: 'Speak like a pirate.' },
    },
  },
  'update-model-variant': { input: { id: PLACE.variant, title: 'Captain' } },
  'set-model-preference': {
    input: { workspaceId: PLACE.workspace, modelId: PLACE.model, isFavorite: true },
  },
  'api-keys': { workspaceId: PLACE.workspace },
  'check-api-key': { input: { id: PLACE.key } },
  'update-api-key': { input: { id: PLACE.key, label: 'For experiments' } },
  'replace-api-key-secret': { input: { id: PLACE.key, secret: SECRET } },
  'removal-impact': { id: PLACE.key },
  'add-model': { input: { apiKeyId: PLACE.key, name: 'gpt-6-sol' } },
  workspace: { id: PLACE.workspace },
  workspaces: {},
  'server-info': {},
  'create-workspace': { input: { name: 'Lab' } },
  'update-workspace': { input: { id: PLACE.shared, name: 'Laboratory' } },
  'create-invitation': { input: { workspaceId: PLACE.shared, role: 'MEMBER' } },
  invitations: { id: PLACE.shared },
  'accept-invitation': { input: { token: PLACE.token } },
  'revoke-invitation': { input: { id: PLACE.invitation } },
  'create-team': { input: { name: 'Lab team' } },
  'update-team': { input: { id: PLACE.team, name: 'Research' } },
  team: { id: PLACE.team },
  'team-api-keys': { teamId: PLACE.team },
  members: { id: PLACE.shared },
  'add-member': { input: { workspaceId: PLACE.shared, userId: PLACE.user, role: 'MEMBER' } },
  'update-member': { input: { workspaceId: PLACE.shared, userId: PLACE.user, role: 'ADMIN' } },
  'remove-member': { input: { workspaceId: PLACE.shared, userId: PLACE.user } },
  'audit-log': { id: PLACE.workspace },
  'set-plan': { input: { userId: PLACE.user, plan: 'PREMIUM' } },
  accounts: {},
  'disable-user': { input: { userId: PLACE.user } },
  'enable-user': { input: { userId: PLACE.user } },
  'sign-out-user': { input: { userId: PLACE.user } },
  'create-password-reset': { input: { userId: PLACE.user } },
  'transfer-workspace': { input: { id: PLACE.shared, userId: PLACE.user } },
  'transfer-team': { input: { id: PLACE.team, userId: PLACE.user } },
  'leave-workspace': { input: { id: PLACE.shared } },
  'leave-team': { input: { id: PLACE.team } },
  'remove-model-variant': { input: { id: PLACE.variant } },
  'remove-attachment': { input: { id: PLACE.attachment } },
  'delete-thread': { input: { id: PLACE.thread } },
  'remove-api-key': { input: { id: PLACE.key } },
  'delete-workspace': { input: { id: PLACE.shared } },
  'delete-team': { input: { id: PLACE.team } },
};
