import { eq, inArray, or, sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { listAuditEntries } from '../src/audit/entry.ts';
import { verifyAudit } from '../src/audit/verify-audit.ts';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { invitations } from '../src/db/tables/invitation.ts';
import { models } from '../src/db/tables/model.ts';
import { teamMemberships, teams } from '../src/db/tables/team.ts';
import { messages, threads } from '../src/db/tables/thread.ts';
import { accounts, sessions, users } from '../src/db/tables/user.ts';
import { memberships, workspaces } from '../src/db/tables/workspace.ts';
import { bearer, postAccount } from './kit/account-request.ts';
import { askHeld, follow, isEnd, readAnswer } from './kit/answer.ts';
import { rawBody } from './kit/api-key.ts';
import { freshDatabase } from './kit/database.ts';
import { eventually } from './kit/eventually.ts';
import { captureErrors } from './kit/log.ts';
import { nodesOf, type Page } from './kit/page.ts';
import { letIn, newTeamAndWorkspace, newWorkspace } from './kit/people.ts';
import { type NamedModel, type Person, personOf, post } from './kit/person.ts';
import { openFor } from './kit/raw-socket.ts';
import { say } from './kit/say.ts';
import { DEFAULT_ATTEMPTS, startTestServer, type TestServer } from './kit/server.ts';

const password = 'correct horse battery';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());
afterEach(() => vi.restoreAllMocks());

describe('an account is not deleted', () => {
  test.each([
    ['with a wrong password', { password: 'incorrect horse' }, 400, 'INVALID_PASSWORD'],
    ['without the password, however young the session', {}, 400, 'BAD_INPUT'],
    ['with an empty password', { password: '' }, 400, 'BAD_INPUT'],
    ['with something that is no password', { password: [password] }, 400, 'VALIDATION_ERROR'],
    ['with a made-up token', { password, token: 'x' }, 404, 'INVALID_TOKEN'],
  ])('%s', async (_what, body, status, code) => {
    const bob = await server.signUp('Bob');
    const response = await postAccount(bob, 'delete-user', body, bearer(bob.token));
    expect([response.status, await response.json()]).toMatchObject([status, { code }]);
    expect(await whoIs(bob)).toEqual({ viewer: { user: { id: bob.id } } });
  });

  test('a request without a session deletes no account', async () => {
    const response = await postAccount(server, 'delete-user', { password }, bearer('none'));
    expect(response.status).toBe(401);
  });

  test('an account is not deleted by a page of a foreign origin, whose browser sends the cookie along', async () => {
    const bob = await server.signUp('Bob');
    const signedIn = await postAccount(
      bob,
      'sign-in/email',
      { email: bob.email, password },
      bearer(bob.token),
    );
    const cookie = signedIn.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const response = await fetch(`${server.url}/api/auth/delete-user`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie, origin: 'https://evil.example.com' },
      body: JSON.stringify({ password }),
    });
    expect(response.status).toBe(403);
    expect(await whoIs(bob)).toEqual({ viewer: { user: { id: bob.id } } });
  });

  test('an account is not deleted more than ten times in ten minutes from one address', async () => {
    await using limited = await startTestServer({}, { attempts: DEFAULT_ATTEMPTS });
    const bob = await limited.signUp('Bob');
    for (let tries = 0; tries < 10; tries++)
      expect(
        (await postAccount(bob, 'delete-user', { password: 'incorrect' }, bearer(bob.token))).status,
      ).toBe(400);
    const refused = await postAccount(bob, 'delete-user', { password }, bearer(bob.token));
    expect([refused.status, await refused.json()]).toMatchObject([429, { code: 'RATE_LIMITED' }]);
  });

  test('an owner of shared workspaces or teams is refused with their number and what to do first', async () => {
    const bob = await server.signUp('Bob');
    const refusal = async () => {
      const response = await postAccount(bob, 'delete-user', { password }, bearer(bob.token));
      return [response.status, await response.json()];
    };
    const first = await newWorkspace(bob);
    const saying = (message: string) => [409, { code: 'CONFLICT', message }];
    expect(await refusal()).toEqual(
      saying('You own 1 shared workspace. Hand over or delete what you own, then delete the account.'),
    );
    const second = await newWorkspace(bob);
    const { teamId, workspaceId } = await newTeamAndWorkspace(bob);
    expect(await refusal()).toEqual(
      saying(
        'You own 2 shared workspaces and 1 team. Hand over or delete what you own, then delete the account.',
      ),
    );
    expect(await whoIs(bob)).toEqual({ viewer: { user: { id: bob.id } } });

    const eve = await server.signUp('Eve');
    const { db } = server.app;
    await db.update(workspaces).set({ ownerUserId: eve.id }).where(eq(workspaces.id, first));
    await db.delete(workspaces).where(inArray(workspaces.id, [second, workspaceId]));
    await db.delete(teams).where(eq(teams.id, teamId));
    expect(await refusal()).toEqual([200, { success: true, message: 'User deleted' }]);
  });
});

describe('a deleted account', () => {
  test('a deleted account is removed with its own data, and what others see stays without a name', async () => {
    const { ada, bob, workspaceId, model } = await sharedPlace();
    const { teamId } = await newTeamAndWorkspace(ada);
    const { db } = server.app;
    await db.insert(teamMemberships).values({ teamId, userId: bob.id, role: 'ADMIN' });
    await db.insert(invitations).values({
      workspaceId,
      role: 'MEMBER',
      tokenHash: crypto.getRandomValues(new Uint8Array(32)),
      createdBy: bob.id,
      expiresAt: new Date(Date.now() + 60_000),
    });
    const own = (await bob.addKey()).models[0];
    await bob.ask('Mine alone', own === undefined ? [] : [own]);
    const privately = await threadIn(bob, workspaceId, 'PRIVATE');
    await bob.ask('Not for others', [model], privately);
    const openly = await threadIn(bob, workspaceId, 'WORKSPACE');
    await readAll(bob, await bob.ask('For everybody', [model], openly));
    const ofAda = await threadIn(ada, workspaceId, 'WORKSPACE');
    await readAll(bob, await bob.ask('To Ada', [model], ofAda));
    const before = await ada.run<SeenThread>('thread', { id: openly });

    expect((await postAccount(bob, 'delete-user', { password }, bearer(bob.token))).status).toBe(200);

    const left = {
      users: await db.select().from(users).where(eq(users.id, bob.id)),
      accounts: await db.select().from(accounts).where(eq(accounts.userId, bob.id)),
      sessions: await db.select().from(sessions).where(eq(sessions.userId, bob.id)),
      workspaces: await db.select().from(workspaces).where(eq(workspaces.id, bob.workspaceId)),
      keys: await db.select().from(apiKeys).where(eq(apiKeys.tenantId, bob.workspaceId)),
      models: await db.select().from(models).where(eq(models.tenantId, bob.workspaceId)),
      threads: await db
        .select()
        .from(threads)
        .where(or(eq(threads.workspaceId, bob.workspaceId), eq(threads.id, privately))),
      messages: await db.select().from(messages).where(eq(messages.threadId, privately)),
      memberships: await db.select().from(memberships).where(eq(memberships.userId, bob.id)),
      teamMemberships: await db.select().from(teamMemberships).where(eq(teamMemberships.userId, bob.id)),
      invitations: await db.select().from(invitations).where(eq(invitations.createdBy, bob.id)),
    };
    expect(Object.values(left).flat()).toEqual([]);

    const seen = await ada.run<SeenThread>('thread', { id: openly });
    const nobody = (message: object) => ({ ...message, author: null });
    expect(nodesOf(seen.messages)).toEqual(nodesOf(before.messages).map(nobody));
    expect(nodesOf(seen.messages).map(({ text }) => text)).toEqual([
      'For everybody',
      expect.stringMatching(/./),
    ]);
    expect(seen.revision).toBeGreaterThan(before.revision);
    expect(await ada.run('thread', { id: ofAda })).toMatchObject({
      messages: {
        edges: [{ node: { text: 'To Ada', author: null } }, { node: { status: 'COMPLETE', author: null } }],
      },
    });
    const { data } = await rawBody(ada, `{ node(id: "${openly}") { ... on Thread { createdBy { id } } } }`);
    expect(data).toEqual({ node: { createdBy: null } });
    await readAll(ada, await ada.ask('Does it go on?', [model], openly));

    const { rows } = await listAuditEntries(server.app, workspaceId, { first: 1 });
    expect(rows).toMatchObject([
      { action: 'MEMBER_LEFT', actorId: bob.id, subjectId: bob.id, details: { role: 'MEMBER' } },
    ]);
    expect((await listAuditEntries(server.app, teamId, { first: 1 })).rows).toMatchObject([
      { action: 'MEMBER_LEFT', details: { role: 'ADMIN' } },
    ]);
    expect((await listAuditEntries(server.app, bob.workspaceId, { first: 1 })).rows).toMatchObject([
      { action: 'WORKSPACE_DELETED', actorId: bob.id, subjectId: bob.workspaceId },
    ]);
    show(
      'deleted account',
      `rows left: ${JSON.stringify(Object.fromEntries(Object.entries(left).map(([name, of]) => [name, of.length])))}; ` +
        `the shared thread keeps ${seen.messages.edges.length} messages, author null`,
    );
  });

  test('a deleted account is signed out everywhere at once: its sockets close, its tokens and cookie are worth nothing', async () => {
    const bob = await server.signUp('Bob');
    const signedIn = await postAccount(
      bob,
      'sign-in/email',
      { email: bob.email, password },
      bearer(bob.token),
    );
    const phone = await personOf(server.url, bob.email, signedIn.headers.get('set-auth-token') ?? '');
    const cookie = signedIn.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const sockets = await Promise.all([openFor(bob), openFor(phone)]);
    const stream = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${phone.token}`,
        'content-type': 'application/json',
        accept: 'text/event-stream',
      },
      body: JSON.stringify({
        query: `subscription { workspaceEvents(workspaceId: "${bob.workspaceId}") { __typename } }`,
      }),
    });
    expect(stream.status).toBe(200);
    const streamed = stream.text().then(
      () => 'ended',
      () => 'cut',
    );

    const startedAt = performance.now();
    const deleted = await postAccount(bob, 'delete-user', { password }, bearer(bob.token));
    expect(deleted.status).toBe(200);
    expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual([
      '4403 Forbidden',
      '4403 Forbidden',
    ]);
    expect(['cut', 'ended']).toContain(await streamed);
    const closedAfterMs = Math.round(performance.now() - startedAt);
    expect(closedAfterMs).toBeLessThan(1_000);
    for (const person of [bob, phone]) expect(await whoIs(person)).toBe('UNAUTHENTICATED');
    const byCookie = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie, 'x-latchkey-csrf': '1' },
      body: JSON.stringify({ query: '{ viewer { id } }' }),
    });
    expect(await byCookie.json()).toEqual({ data: { viewer: null } });
    expect((await postAccount(bob, 'delete-user', { password }, bearer(bob.token))).status).toBe(401);
    expect(
      (await postAccount(bob, 'sign-in/email', { email: bob.email, password }, bearer(bob.token))).status,
    ).toBe(401);
    show(
      'sessions of a deleted account',
      `2 sockets closed with 4403, the event stream too, after ${closedAfterMs} ms`,
    );
  });

  test('a deleted account has its answers ended, wherever they are being written', async () => {
    const { ada, bob, workspaceId, model } = await sharedPlace();
    const own = (await bob.addKey()).models.find(({ name }) => name === 'gpt-4.1-nano') ?? { id: '' };
    const alone = await askHeld(server.simulator, bob, own);
    const open = await threadIn(bob, workspaceId, 'WORKSPACE');
    const shared = await askHeld(server.simulator, bob, model, { threadId: open });
    const ofAda = await askHeld(server.simulator, ada, model, { threadId: open });
    shared.call.release(2);
    const socket = ada.socket();
    const events = follow(socket, 'answer-events', { answerId: shared.answerId });
    await events.next();

    await postAccount(bob, 'delete-user', { password }, bearer(bob.token));
    expect(await Promise.all([alone.call.closed, shared.call.closed])).toEqual(['left', 'left']);
    for await (const event of events)
      if (isEnd(event))
        expect(event).toMatchObject({ __typename: 'AnswerFailed', answer: { status: 'FAILED' } });
    await eventually('both are forgotten', () =>
      [alone, shared].every(({ answerId }) => !server.app.running.has(answerId)),
    );
    // Another person's answer in the same thread is none of this.
    ofAda.call.release();
    const { end } = await readAnswer(socket, ofAda.answerId);
    await socket.dispose();
    expect(end?.answer.status).toBe('COMPLETE');
  });

  test('a deleted account can be created again with the same address, and is empty', async () => {
    const { bob, workspaceId } = await twoPeople();
    const openly = await threadIn(bob, workspaceId, 'WORKSPACE');
    await postAccount(bob, 'delete-user', { password }, bearer(bob.token));
    const made = await postAccount(
      bob,
      'sign-up/email',
      { name: 'Bob', email: bob.email, password },
      bearer(bob.token),
    );
    expect(made.status).toBe(200);
    const again = await personOf(server.url, bob.email, made.headers.get('set-auth-token') ?? '');
    expect(again.id).not.toBe(bob.id);
    expect(again.workspaceId).not.toBe(bob.workspaceId);
    const { data } = await rawBody(
      again,
      `{ viewer { workspaces { nodes { id } } teams { nodes { id } } } thread(id: "${openly}") { id } workspace(id: "${workspaceId}") { id } }`,
    );
    expect(data).toEqual({
      viewer: { workspaces: { nodes: [{ id: again.workspaceId }] }, teams: { nodes: [] } },
      thread: null,
      workspace: null,
    });
  });
});

describe('deleting an account', () => {
  test('many times at once deletes it once', async () => {
    const { bob, workspaceId } = await twoPeople();
    const responses = await Promise.all(
      Array.from({ length: 5 }, () => postAccount(bob, 'delete-user', { password }, bearer(bob.token))),
    );
    const refusals = await Promise.all(
      responses.filter(({ status }) => status !== 200).map(async (response) => await response.json()),
    );
    // The account may go before the session is looked for, or between that and the check of the password.
    for (const { code } of refusals) expect(['UNAUTHORIZED', 'CREDENTIAL_ACCOUNT_NOT_FOUND']).toContain(code);
    expect(refusals.length).toBeLessThan(responses.length);
    const { rows } = await listAuditEntries(server.app, workspaceId, {});
    expect(rows.filter(({ action }) => action === 'MEMBER_LEFT')).toHaveLength(1);
  });

  test('deleting an account while its person is made the owner of something leaves an owner there in the end', async () => {
    const { db } = server.app;
    const outcomes: string[] = [];
    for (let round = 0; round < 10; round++) {
      const { ada, bob, workspaceId } = await twoPeople();
      const deleting = postAccount(bob, 'delete-user', { password }, bearer(bob.token));
      const handOver = async () => {
        // From at once, before the password is verified, to after all is over.
        for (let step = 0; step < 3 * round; step++) await whoIs(ada);
        if (round === 9) await deleting;
        return await db
          .update(workspaces)
          .set({ ownerUserId: bob.id })
          .where(eq(workspaces.id, workspaceId))
          .then(
            () => 'handed over',
            () => 'not handed over',
          );
      };
      const [deleted, handed] = await Promise.all([deleting, handOver()]);
      const [workspace] = await db.select().from(workspaces).where(eq(workspaces.id, workspaceId));
      const [owner] = await db
        .select()
        .from(users)
        .where(eq(users.id, workspace?.ownerUserId ?? ''));
      expect(owner?.id).toBe(handed === 'handed over' ? bob.id : ada.id);
      expect(deleted.status).toBe(handed === 'handed over' ? 409 : 200);
      outcomes.push(`${deleted.status}, ${handed}`);
    }
    expect(new Set(outcomes).size).toBe(2);
    const groups = Map.groupBy(outcomes, (words) => words);
    show(
      'deleted while being made an owner',
      [...groups].map(([words, all]) => `${all.length} × ${words}`).join('; '),
    );
  });

  test.runIf(inject('postgresUrl') !== undefined)(
    'waits for a workspace that its person is just making, and then leaves both',
    async () => {
      const { db } = server.app;
      const bob = await server.signUp('Bob');
      const inserted = Promise.withResolvers<void>();
      const goOn = Promise.withResolvers<void>();
      const making = db.transaction(async (tx) => {
        await tx.insert(workspaces).values({ kind: 'SHARED', name: 'Just made', ownerUserId: bob.id });
        inserted.resolve();
        await goOn.promise;
      });
      await inserted.promise;
      const deleting = postAccount(bob, 'delete-user', { password }, bearer(bob.token));
      await eventually('it waits', async () => {
        const waiting = sql`(select 1 from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' and query like '%"users"%for update%')`;
        const [row] = await db
          .select({ isThere: sql<boolean>`exists ${waiting}` })
          .from(users)
          .limit(1);
        return row?.isThere;
      });
      goOn.resolve();
      await making;
      const response = await deleting;
      expect([response.status, await response.json()]).toMatchObject([409, { code: 'CONFLICT' }]);
      expect(await whoIs(bob)).toEqual({ viewer: { user: { id: bob.id } } });
    },
  );

  test('deleting an account during a send deletes it, and leaves no answer without a writer', async () => {
    const { db } = server.app;
    const lines = captureErrors();
    const asked: string[] = [];
    for (let round = 0; round < 5; round++) {
      const { ada, bob, workspaceId, model } = await sharedPlace();
      const places = await Promise.all([
        threadIn(bob, workspaceId, 'WORKSPACE'),
        threadIn(bob, workspaceId, 'PRIVATE'),
        threadIn(ada, workspaceId, 'WORKSPACE'),
      ]);
      const deleting = postAccount(bob, 'delete-user', { password }, bearer(bob.token));
      let isGone = false;
      const deleted = deleting.finally(() => {
        isGone = true;
      });
      while (!isGone) {
        const sends = places.map((threadId) =>
          bob.ask('Is it still there?\nsimulate: say Yes.', [model], threadId).then(
            ({ __typename }) => __typename,
            () => 'refused',
          ),
        );
        asked.push(...(await Promise.all(sends)));
      }
      expect((await deleted).status).toBe(200);
      await eventually('all answers have ended', async () => {
        const inWorkspace = eq(threads.workspaceId, workspaceId);
        const rows = await db
          .select({ status: messages.status, authorId: messages.authorId })
          .from(messages)
          .innerJoin(threads, eq(threads.id, messages.threadId))
          .where(inWorkspace);
        expect(rows.filter(({ authorId }) => authorId !== null)).toEqual([]);
        return rows.every(({ status }) => status !== 'WRITING');
      });
    }
    expect(lines.join()).not.toContain('40P01');
    const groups = Map.groupBy(asked, (words) => words);
    show(
      'sends while the account goes',
      [...groups].map(([words, all]) => `${all.length} × ${words}`).join('; '),
    );
  });

  test('deleting an account leaves every log as it was recorded', async () => {
    const database = await freshDatabase();
    await using alone = await startTestServer({}, { database });
    const { bob } = await twoPeople(alone);
    await postAccount(bob, 'delete-user', { password }, bearer(bob.token));
    const faults: object[] = [];
    for await (const log of verifyAudit(alone.app, { heads: [] })) faults.push(...log.faults);
    expect(faults).toEqual([]);
  });

  test('deleting an account that fails half-way changes nothing, and the same call finishes it later', async () => {
    const database = await freshDatabase();
    await using broken = await startTestServer({}, { database });
    const { ada, bob, workspaceId } = await twoPeople(broken);
    const openly = await threadIn(bob, workspaceId, 'WORKSPACE');
    const remember = async () => ({
      members: await rawBody(ada, `{ workspace(id: "${workspaceId}") { id } node(id: "${openly}") { id } }`),
      viewer: await rawBody(bob, '{ viewer { id personalWorkspace { id } workspaces { nodes { id } } } }'),
      log: (await listAuditEntries(broken.app, workspaceId, {})).rows,
    });
    const before = await remember();
    // The very last thing that is written, when all else is gone already.
    await database.db.execute(
      `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`,
    );
    await database.db.execute(
      `create trigger refuse before insert on audit_entries for each row execute function refuse()`,
    );
    captureErrors();
    expect((await postAccount(bob, 'delete-user', { password }, bearer(bob.token))).status).toBe(500);
    expect(await remember()).toEqual(before);
    await database.db.execute('drop trigger refuse on audit_entries');
    expect((await postAccount(bob, 'delete-user', { password }, bearer(bob.token))).status).toBe(200);
    expect(await whoIs(bob)).toBe('UNAUTHENTICATED');
  });
});

interface SeenThread {
  revision: number;
  messages: Page<{ text: string; author: object | null }>;
}

/** A shared workspace of Ada's, and Bob as a member of it. */
async function twoPeople(on: TestServer = server) {
  const [ada, bob] = await Promise.all([on.signUp('Ada'), on.signUp('Bob')]);
  const workspaceId = await newWorkspace(ada);
  await letIn(ada, workspaceId, bob, 'MEMBER');
  return { ada, bob, workspaceId };
}

/** The same with a key. */
async function sharedPlace(on: TestServer = server) {
  const { ada, bob, workspaceId } = await twoPeople(on);
  const input = { workspaceId, provider: 'OPENAI', secret: `sk-sim-${crypto.randomUUID()}` };
  const { models } = await ada.run<{ models: NamedModel[] }>('add-api-key', { input });
  const model = models.find(({ name }) => name === 'gpt-4.1-nano');
  if (model === undefined) throw new Error('the model was not listed');
  return { ada, bob, workspaceId, model };
}

async function threadIn(person: Person, workspaceId: string, visibility: string): Promise<string> {
  const input = { workspaceId, visibility };
  return (await person.run<{ thread: { id: string } }>('create-thread', { input })).thread.id;
}

async function readAll(person: Person, { answers }: { answers: { id: string }[] }): Promise<void> {
  const socket = person.socket();
  for (const { id } of answers) await readAnswer(socket, id);
  await socket.dispose();
}

/** What a token opens: the data, or the code of the refusal. */
async function whoIs({ url, token }: Pick<Person, 'url' | 'token'>): Promise<unknown> {
  const { data, errors } = await post(url, token, { query: '{ viewer { user { id } } }' });
  return errors?.[0]?.extensions.code ?? data;
}

function show(title: string, text: string): void {
  say(`${title}: ${text}`);
}
