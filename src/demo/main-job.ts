import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { printAnswer, printSideBySide } from './answer.ts';
import { type Attachment, type DemoClient, seal, type Usage } from './client.ts';
import { faint, heading, line, pair, strong, TEXT_WIDTH } from './paper.ts';
import { wrap } from './wrap.ts';

/**
 * Connects three providers, makes a model and asks it, asks two at once, and two about files, and prints each step as it happens.
 */
export async function performMainJob(client: DemoClient, name: string): Promise<void> {
  heading(1, `${name} signs up`, 'POST /api/auth/sign-up/email');
  const viewer = await client.run<Viewer>('viewer');
  const workspace = viewer.personalWorkspace;
  pair('Account', viewer.email);
  pair('Workspace', `${workspace.id} (${workspace.plan.toLowerCase()} plan)`);

  heading(2, 'Connects three providers', 'mutation addApiKey');
  line('Each key is sealed on this side first. Only the server can open the box, and');
  line('only for this workspace and this provider.');
  const openai = await connect(client, workspace, 'OPENAI', 'sk-proj-');
  const anthropic = await connect(client, workspace, 'ANTHROPIC', 'sk-ant-api03-');
  const xai = await connect(client, workspace, 'XAI', 'xai-');

  heading(3, 'Sees what can be asked', 'query models');
  line('Each with its context window, and the price of a million tokens in and out.');
  line();
  const { models } = await client.run<{ models: Page<Model> }>('models', {
    workspaceId: workspace.id,
  });
  for (const { node } of models.edges) printModel(node);

  const sonnet = named(anthropic, 'claude-sonnet-5');
  heading(4, `Makes a variant of ${sonnet.title}`, 'mutation createModelVariant');
  line('A model with a title and options, which is listed and asked like any other.');
  line();
  const coach = await makeCoach(client, workspace, sonnet);

  const { thread } = await client.run<{ thread: { id: string } }>('create-thread', {
    input: { workspaceId: workspace.id, title: 'First steps' },
  });
  heading(5, `Asks ${coach.title}`, 'subscription answerEvents');
  const question = 'How do I begin something new?';
  const [answer] = await ask(client, thread.id, question, [coach]);
  await printAnswer(client, answer?.id ?? '');

  const nano = named(openai, 'gpt-4.1-nano');
  const haiku = named(anthropic, 'claude-haiku-4-5-20251001');
  heading(6, 'Asks two models at once', 'two answerEvents on one socket');
  const answers = await ask(client, thread.id, 'And when I get stuck?', [nano, haiku]);
  await printSideBySide(
    client,
    [nano.title, haiku.title],
    answers.map(({ id }) => id),
  );

  const grok = named(xai, 'grok-4.7');
  heading(7, 'Attaches a PDF and a picture', 'PUT, then sendMessage');
  const attachments: Attachment[] = [];
  for (const fileName of ['first-week.pdf', 'desk.png'])
    attachments.push(await upload(client, workspace, fileName));
  line();
  const told = await ask(client, thread.id, 'What do these say?', [haiku, grok], attachments);
  await printSideBySide(
    client,
    [haiku.title, grok.title],
    told.map(({ id }) => id),
  );
  line();
  for (const [index, { title }] of [haiku, grok].entries())
    printUses(title, told[index]?.attachmentUses ?? [], attachments);

  heading(8, 'Looks back', 'query thread');
  const { messages } = await client.run<{ messages: Page<SavedMessage> }>('thread', { id: thread.id });
  for (const { node } of messages.edges) printSaved(node);
}

interface Page<Node> {
  edges: { node: Node }[];
}

interface Viewer {
  email: string;
  personalWorkspace: Workspace;
}

interface Workspace {
  id: string;
  plan: string;
  sealingKey: { id: string; publicKey: string };
}

interface Model {
  id: string;
  provider: string;
  name: string;
  title: string;
  contextWindow: number | null;
  price: { input: Money; output: Money } | null;
}

interface Money {
  amount: string;
}

interface SavedMessage {
  role: string;
  text: string;
  model?: { title: string };
  usage: Usage | null;
}

async function connect(
  client: DemoClient,
  workspace: Workspace,
  provider: string,
  prefix: string,
): Promise<Model[]> {
  const secret = prefix + randomBytes(30).toString('base64url');
  const sealed = await seal(workspace, provider, secret);
  const { apiKey, models } = await client.run<{
    apiKey: { hint: string; status: string };
    models: Model[];
  }>('add-api-key', { input: { workspaceId: workspace.id, provider, sealed } });
  line();
  pair('Key', `${secret.slice(0, prefix.length + 4)}…${secret.slice(-4)}`);
  pair('Sent', `${sealed.box.slice(0, 44)}… ${faint(`(${sealed.box.length} characters)`)}`);
  pair('Saved', `${provider} …${apiKey.hint}, ${apiKey.status}, offers ${models.length} models`);
  return models;
}

function printModel({ provider, name, contextWindow, price }: Model): void {
  const size = contextWindow === null ? '' : `${contextWindow.toLocaleString('en-US')} tokens`;
  const cost = price === null ? 'price unknown' : `$${price.input.amount} / $${price.output.amount}`;
  pair(provider, `${name.padEnd(27)}${faint(size.padStart(17) + cost.padStart(18))}`);
}

async function makeCoach(client: DemoClient, workspace: Workspace, base: Model): Promise<Model> {
  const options = { systemPrompt: 'You are a patient coach. Use plain words.', effort: 'HIGH' };
  const input = { workspaceId: workspace.id, baseModelId: base.id, title: 'Patient coach', options };
  const { model } = await client.run<{ model: Model }>('create-model-variant', { input });
  pair('Title', model.title);
  pair('Prompt', `“${options.systemPrompt}”`);
  pair('Effort', options.effort);
  return model;
}

function named(models: readonly Model[], name: string): Model {
  const model = models.find((offered) => offered.name === name);
  if (model === undefined) throw new Error(`The simulator does not offer ${name}.`);
  return model;
}

async function upload(client: DemoClient, { id }: Workspace, fileName: string): Promise<Attachment> {
  const bytes = await readFile(new URL(`files/${fileName}`, import.meta.url));
  const file = await client.upload(id, { fileName, bytes });
  const { mediaType, pageCount, width, height } = file;
  const size = pageCount === null ? `${width} × ${height} pixels` : `${pageCount} pages`;
  const facts = `${size}, ${bytes.length.toLocaleString('en-US')} bytes`;
  line(`${fileName.padEnd(17)}${mediaType.padEnd(18)}${faint(facts)}`);
  return file;
}

/** Sends a message to the models and returns the answers that are being written. */
async function ask(
  client: DemoClient,
  threadId: string,
  text: string,
  models: readonly Model[],
  attachments: readonly Attachment[] = [],
): Promise<Answer[]> {
  line(strong(`“${text}”`));
  line();
  const modelIds = models.map(({ id }) => id);
  const attachmentIds = attachments.map(({ id }) => id);
  const { answers } = await client.run<{ answers: Answer[] }>('send-message', {
    input: { threadId, text, modelIds, attachmentIds },
  });
  return answers;
}

interface Answer {
  id: string;
  attachmentUses: AttachmentUse[];
}

interface AttachmentUse {
  attachment: { id: string } | null;
  use: 'NATIVE' | 'AS_TEXT' | 'LEFT_OUT';
  note: string | null;
}

/** Prints in which form a model was sent each file, and why. */
function printUses(title: string, uses: readonly AttachmentUse[], attachments: readonly Attachment[]): void {
  line(strong(title));
  for (const { attachment, use, note } of uses) {
    const sent = attachments.find(({ id }) => id === attachment?.id);
    line(`${(sent?.fileName ?? '').padEnd(17)}${use}`);
    if (note !== null) for (const row of wrap(note, TEXT_WIDTH)) line(faint(row));
  }
}

function printSaved({ role, text, model, usage }: SavedMessage): void {
  if (role === 'USER') {
    line(`“${text}”`);
    return;
  }
  const tokens = `${usage?.inputTokens ?? '?'} tokens in, ${usage?.outputTokens ?? '?'} out`;
  line(`  ${faint((model?.title ?? '').padEnd(42))}${tokens.padStart(30)}`);
}
