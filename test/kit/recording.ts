import { type DocumentNode, Kind, parse, print, visit } from 'graphql';
import { put, type Upload, whenRead } from './attachment.ts';
import { eventually } from './eventually.ts';
import { invite } from './people.ts';
import { documentOf, post } from './person.ts';
import { OPERATOR_TOKEN } from './plan.ts';
import type { TestServer } from './server.ts';

/** What the server gave for one of the documents of `schema/operations`, asked as normalised caches ask: with every type. */
export interface Recorded {
  operation: string;
  document: DocumentNode;
  variables: Record<string, unknown>;
  data: Record<string, unknown>;
}

/**
 * Has one person do everything that the documents are for, and records each result and event. The server must know the
 * operator's token.
 */
export async function recordEverything(server: TestServer): Promise<Recorded[]> {
  const ada = await server.signUp();
  const bob = await server.signUp('Bob');
  const recorded: Recorded[] = [];
  const socket = ada.socket();

  /** Runs a document as Ada, keeps the result and gives its only field. */
  async function run(operation: string, variables: Record<string, unknown> = {}): Promise<Result> {
    const document = typedDocumentOf(operation);
    const { data, errors } = await post(
      ada.url,
      ada.token,
      { query: print(document), variables },
      { 'x-latchkey-operator-token': OPERATOR_TOKEN },
    );
    if (data == null || errors !== undefined) throw new Error(`${operation}: ${JSON.stringify(errors)}`);
    recorded.push({ operation, document, variables, data });
    return Object.values(data)[0] as Result;
  }
  const change = (operation: string, input: object): Promise<Result> => run(operation, { input });

  /** Follows as Ada and keeps every event. Gives a function that waits for an event of a type. */
  function follow(operation: string, variables: Record<string, unknown>): (type: string) => Promise<unknown> {
    const document = typedDocumentOf(operation);
    const types: unknown[] = [];
    void (async () => {
      for await (const { data } of socket.iterate({ query: print(document), variables })) {
        if (data == null) continue;
        recorded.push({ operation, document, variables, data });
        types.push((Object.values(data)[0] as Result).__typename);
      }
    })();
    return (type) => eventually(`${type} of ${operation}`, () => types.includes(type));
  }

  const viewer = await run('viewer');
  const workspaceId = viewer.personalWorkspace.id;
  const awaitEvent = follow('workspace-events', { workspaceId });
  await awaitEvent('WorkspaceSnapshot');
  await recordKeys();
  const threadId = await recordThreads();
  await recordFiles(threadId);
  await recordPeople();
  await recordEnds();
  await recordAccounts();
  await socket.dispose();
  return recorded;

  async function recordKeys(): Promise<void> {
    await run('server-info');
    await run('providers');
    await run('workspace', { id: workspaceId });
    await change('add-api-key', { workspaceId, provider: 'OPENAI', secret: 'sk-sim-wrong' });
    await change('add-api-key', { workspaceId, provider: 'OPENAI' });
    const { apiKey } = await change('add-api-key', {
      workspaceId,
      provider: 'OPENAI',
      secret: 'sk-sim-faults',
    });
    const { id } = apiKey;
    await awaitEvent('ApiKeyAdded');
    await change('check-api-key', { id });
    await change('update-api-key', { id, label: 'For experiments' });
    await change('update-api-key', { id, label: 'x'.repeat(200) });
    await change('replace-api-key-secret', { id, secret: 'sk-sim-faults-too' });
    await change('replace-api-key-secret', { id, sealed: { keyId: 'old', box: 'AAAA' } });
    await run('api-keys', { workspaceId });
    await recordModels(id);
    await run('removal-impact', { id });
  }

  async function recordModels(apiKeyId: string): Promise<void> {
    const { model } = await change('add-model', { apiKeyId, name: 'gpt-4.1-nano' });
    const baseModelId = model.id;
    const variant = await change('create-model-variant', { workspaceId, baseModelId, title: 'Brief' });
    await change('update-model-variant', { id: variant.model.id, options: { temperature: 0.5 } });
    await change('set-model-preference', { workspaceId, modelId: baseModelId, isFavorite: true });
    await run('model', { id: variant.model.id });
    await run('models', { workspaceId });
    await change('remove-model-variant', { id: variant.model.id });
  }

  async function recordThreads(): Promise<string> {
    const { models } = await run('models', { workspaceId });
    const named = (name: string): string =>
      models.edges.find(({ node }) => node.name === name)?.node.id ?? name;
    const { thread } = await change('create-thread', { workspaceId });
    await run('thread', { id: thread.id });
    const said = follow('thread-events', { threadId: thread.id });
    await said('ThreadSnapshot');
    const send = (text: string, ...names: string[]): Promise<Result> =>
      change('send-message', { threadId: thread.id, text, modelIds: names.map(named) });
    const { answers } = await send('Which sources?\nsimulate: citations', 'gpt-4.1-nano', 'o4-mini');
    await said('AnswerFinished');
    for (const { id: answerId } of answers) await follow('answer-events', { answerId })('AnswerFinished');
    await run('thread', { id: thread.id });
    const failing = await send('Fail.\nsimulate: overloaded', 'gpt-4.1-nano');
    await follow('answer-events', { answerId: failing.answers[0]?.id })('AnswerFailed');
    await send('Not there', 'gpt-0');
    const held = await send('Wait.\nsimulate: held', 'gpt-4.1-nano');
    const answerId = held.answers[0]?.id;
    const call = await server.simulator.waitForRequest(({ body }) => body.includes('simulate: held'));
    const growing = follow('answer-events', { answerId });
    call.release(2);
    await growing('AnswerDelta');
    follow('thread-events', { threadId: thread.id });
    await run('thread', { id: thread.id });
    await change('stop-answer', { answerId });
    await change('regenerate-answer', { answerId, modelId: named('o4-mini') });
    await change('update-thread', { id: thread.id, title: 'Sources' });
    await said('ThreadUpdated');
    await run('thread', { id: thread.id });
    await run('threads', { workspaceId });
    return thread.id;
  }

  async function recordFiles(threadId: string): Promise<void> {
    const attach = (sizeBytes: number): Promise<Result> =>
      change('create-attachment', { workspaceId, fileName: 'notes.txt', sizeBytes });
    await attach(0);
    const { attachment: unwanted } = await attach(4);
    await change('remove-attachment', { id: unwanted.id });
    const { attachment, upload } = await attach(5);
    await run('attachment', { id: attachment.id });
    await put(upload, Buffer.from('words'));
    await whenRead(ada, attachment.id);
    await awaitEvent('AttachmentUpdated');
    await run('attachment', { id: attachment.id });
    await change('send-message', { threadId, attachmentIds: [attachment.id], modelIds: [] });
    await run('thread', { id: threadId });
    await change('remove-attachment', { id: attachment.id });
  }

  async function recordPeople(): Promise<void> {
    const userId = bob.id;
    await run('workspaces');
    const { workspace: own } = await change('create-workspace', { name: 'Lab' });
    await change('update-workspace', { id: own.id, name: 'Laboratory' });
    const shared = follow('workspace-events', { workspaceId: own.id });
    const { invitation } = await change('create-invitation', { workspaceId: own.id, role: 'MEMBER' });
    await run('invitations', { id: own.id });
    await change('revoke-invitation', { id: invitation.id });
    await bob.run('accept-invitation', { input: { token: await invite(ada, own.id) } });
    await change('update-member', { workspaceId: own.id, userId, role: 'ADMIN' });
    await shared('MemberUpdated');
    await run('members', { id: own.id });
    await change('transfer-workspace', { id: own.id, userId });
    await shared('WorkspaceUpdated');
    await run('audit-log', { id: own.id });

    const { team } = await change('create-team', { name: 'Lab team' });
    await change('update-team', { id: team.id, name: 'Team' });
    await change('set-plan', { teamId: team.id, plan: 'BUSINESS' });
    await change('add-api-key', { teamId: team.id, provider: 'ANTHROPIC', secret: 'sk-sim-team' });
    await run('team-api-keys', { teamId: team.id });
    await bob.run('accept-invitation', { input: { token: await invite(ada, team.id) } });
    const { workspace: room } = await change('create-workspace', { name: 'Room', teamId: team.id });
    const inRoom = follow('workspace-events', { workspaceId: room.id });
    await inRoom('WorkspaceSnapshot');
    await change('add-member', { workspaceId: room.id, userId, role: 'MEMBER' });
    await change('remove-member', { workspaceId: room.id, userId });
    await inRoom('MemberRemoved');
    for (const id of [room.id, team.id]) {
      await run('members', { id });
      await run('invitations', { id });
      await run('audit-log', { id });
    }
    for (let round = 0; round < 2; round++) {
      await run('workspaces');
      await run('team', { id: team.id });
      if (round === 0) await change('delete-workspace', { id: room.id });
    }
    await change('transfer-team', { id: team.id, userId });
    await change('leave-team', { id: team.id });
    await change('leave-workspace', { id: own.id });
    const { team: empty } = await change('create-team', { name: 'Empty' });
    await change('delete-team', { id: empty.id });
    const elsewhere = await bob.run<Result>('create-workspace', { input: { name: 'Elsewhere' } });
    await change('accept-invitation', { token: await invite(bob, elsewhere.workspace.id) });
    await run('workspaces');
  }

  async function recordEnds(): Promise<void> {
    const { apiKeys } = await run('api-keys', { workspaceId });
    const thread = follow('thread-events', { threadId });
    await thread('ThreadSnapshot');
    await change('remove-api-key', { id: apiKeys.edges[0]?.node.id });
    await awaitEvent('ApiKeyRemoved');
    await awaitEvent('ModelsUpdated');
    await run('models', { workspaceId });
    await run('threads', { workspaceId });
    await change('delete-thread', { id: threadId });
    await thread('ThreadRemoved');
    await awaitEvent('ThreadRemoved');
    await run('threads', { workspaceId });
  }

  /** With the operator's token. */
  async function recordAccounts(): Promise<void> {
    await run('accounts');
    for (const operation of ['disable-user', 'enable-user', 'sign-out-user', 'create-password-reset']) {
      await change(operation, { userId: bob.id });
      await change(operation, {});
    }
    await run('accounts');
  }
}

/** The document of `schema/operations` with `__typename` in every selection but the outermost, as Apollo and urql send it. */
export function typedDocumentOf(operation: string): DocumentNode {
  return visit(parse(documentOf(operation)), {
    SelectionSet(set, _key, parent) {
      const isOutermost =
        parent !== undefined && 'kind' in parent && parent.kind === Kind.OPERATION_DEFINITION;
      const isTyped = set.selections.some(
        (selection) => selection.kind === Kind.FIELD && selection.name.value === '__typename',
      );
      if (isOutermost || isTyped) return undefined;
      return { ...set, selections: [...set.selections, TYPENAME] };
    },
  });
}

const TYPENAME = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } } as const;

type Named = { id: string; name?: string };

/** The fields of results that lead on to other operations. */
interface Result {
  __typename: string;
  personalWorkspace: Named;
  workspace: Named;
  team: Named;
  apiKey: Named;
  thread: Named;
  invitation: Named;
  attachment: Named;
  upload: Upload;
  answers: Named[];
  model: Named;
  models: { edges: { node: Named }[] };
  apiKeys: { edges: { node: Named }[] };
}
