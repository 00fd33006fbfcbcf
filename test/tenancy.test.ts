import { is } from 'drizzle-orm';
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import * as keyTables from '../src/db/tables/api-key.ts';
import * as auditTables from '../src/db/tables/audit.ts';
import * as invitationTables from '../src/db/tables/invitation.ts';
import * as modelTables from '../src/db/tables/model.ts';
import * as teamTables from '../src/db/tables/team.ts';
import * as threadTables from '../src/db/tables/thread.ts';
import * as userTables from '../src/db/tables/user.ts';
import * as workspaceTables from '../src/db/tables/workspace.ts';
import { liftCheckLimits } from './kit/altered-provider.ts';
import { askHeld, follow, TRANSPORTS } from './kit/answer.ts';
import { freshDatabase } from './kit/database.ts';
import { eventually } from './kit/eventually.ts';
import { change, letIn } from './kit/people.ts';
import { newThread } from './kit/place.ts';
import { say } from './kit/say.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { type Case, copier, OTHER_NOT_FOUND, type Rule, rulesOf, withRandomId } from './kit/tenancy-rules.ts';
import { documentsOf, ENTRIES, entryOf, inputPlaces, objectTypes } from './kit/tenancy-schema.ts';
import { INHERITING, JUDGED, objectsIn, readSight, type Seen, type Sight } from './kit/tenancy-sight.ts';
import {
  openTransport,
  TRANSPORT_NAMES,
  type Transport,
  type TransportName,
} from './kit/tenancy-transport.ts';
import {
  ACTORS,
  type ActorName,
  buildWorld,
  PLACES,
  ROLES_IN,
  removeCopy,
  type World,
} from './kit/tenancy-world.ts';

/**
 * Whoever can name an id must not get at what is somebody else's, by whatever argument, as whoever, over whatever transport.
 * What is tried comes from the schema, what is expected from the table of actions, and what people may see is worked out
 * from the bare tables.
 */
let server: TestServer;
let world: World;
let rules: Rule[];
const transports = new Map<string, Transport>();

beforeAll(async () => {
  server = await startTestServer({}, { database: await freshDatabase() });
  // How often somebody may try is not what is tried here.
  liftCheckLimits(server);
  vi.spyOn(server.app.invitationLimits, 'take').mockImplementation(() => {});
  world = await buildWorld(server);
  rules = rulesOf(world);
  for (const name of TRANSPORT_NAMES)
    for (const actor of ACTORS) {
      const token = actor === 'anonymous' ? null : world.people[actor].token;
      transports.set(`${name} ${actor}`, await openTransport(name, server.url, token));
    }
});

afterAll(async () => {
  for (const transport of transports.values()) transport[Symbol.dispose]();
  await server.close();
  vi.restoreAllMocks();
});

describe('a rule', () => {
  test('says of every argument that takes an id what it leads to, and of no other', () => {
    const places = inputPlaces();
    const taking = places.filter(({ typeName }) => typeName === 'ID').map(({ path }) => path);
    const ruled = rules.map(({ path }) => path);
    expect(taking.filter((path) => !ruled.includes(path))).toEqual([]);
    expect(ruled.filter((path) => !places.some((place) => place.path === path))).toEqual([]);
    expect(rules.filter(({ cases }) => cases.length === 0)).toEqual([]);
  });

  test('says of every type of object who may see it', () => {
    const types = objectTypes();
    const unjudged = types.filter(({ name }) => !INHERITING.test(name) && !JUDGED.includes(name));
    expect(unjudged).toEqual([]);
    expect(types.flatMap(({ idFields }) => idFields).toSorted()).toEqual(ID_FIELDS);
  });

  test('knows everybody as the database does', async () => {
    const sight = await readSight(server.app.db, []);
    for (const place of PLACES)
      for (const actor of ACTORS)
        if (actor !== 'anonymous')
          expect([place, actor, sight.roleIn(world.people[actor].id, world.places[place])]).toEqual([
            place,
            actor,
            ROLES_IN[place][actor] ?? null,
          ]);
  });
});

describe.each(TRANSPORT_NAMES)('over %s', (transport) => {
  test('everybody finds all that is theirs to see and nothing else, wherever the schema leads', async () => {
    const sight = await readSight(server.app.db, formerMembers());
    const standing = new Set(sight.allSeenBy('').concat(allIds()));
    // What is behind a field does not depend on the transport, so one of them goes furthest.
    const depth = transport === 'HTTP' ? 4 : 3;
    const documents = documentsOf(entryOf('viewer'), { depth, leaves: 'ids', first: 8 });
    const typeNames = new Set<string>(['Provider']); // what can be asked for without anybody's id
    let objects = 0;
    for (const actor of ACTORS) {
      const found = new Set<string>();
      for (const document of documents) {
        const text = await send(transport, actor, document, {});
        if (actor === 'anonymous') {
          expect(['{"data":{"viewer":null}}', 'closed 4403']).toContain(text);
          continue;
        }
        const seen = objectsIn(dataOf(text));
        objects += seen.length;
        expect(wrongly(sight, actor, seen)).toEqual([]);
        for (const { typeName } of seen) typeNames.add(typeName);
        for (const { id } of seen) if (id !== null && standing.has(id)) found.add(id);
      }
      if (actor === 'anonymous') continue;
      const expected = sight.allSeenBy(world.people[actor].id).filter((id) => standing.has(id));
      expect([actor, [...found].toSorted()]).toEqual([actor, expected.toSorted()]);
    }
    expect(JUDGED.filter((typeName) => !typeNames.has(typeName))).toEqual([]);
    say(`${transport}: ${documents.length} documents by ${ACTORS.length} people led to ${objects} objects`);
  }, 60_000);
});

// All of this before anything is done.
describe.each(TRANSPORT_NAMES)('over %s', (transport) => {
  test('what a role does not allow is refused and leaves no trace, and an id of somebody else is like one made up', async () => {
    const before = await dump();
    const tried = await tryAll(transport, (outcome) => outcome !== 'ok');
    expect(tried.wrong.slice(0, 20)).toEqual([]);
    expect(tried.different.slice(0, 20)).toEqual([]);
    expect(await dump()).toEqual(before);
    say(`${transport}: refused ${summary(tried)}`);
    say(`${transport}: compared byte for byte ${tried.compared}, for ${tried.comparedPaths.size} arguments`);
  }, 60_000);
});

describe.each(TRANSPORT_NAMES)('over %s', (transport) => {
  test('what a role allows is done, and the answer shows nothing that the person may not see', async () => {
    const tried = await tryAll(transport, (outcome) => outcome === 'ok');
    expect(tried.wrong.slice(0, 20)).toEqual([]);
    say(`${transport}: allowed ${summary(tried)}`);
  }, 60_000);
});

test.each(Object.entries(TRANSPORTS))(
  'what somebody follows over %s tells a removed member nothing any more',
  async (_name, connect) => {
    const { people, places, models } = world;
    const leaver = await server.signUp('Leaver');
    await letIn(people.owner, places.shared, leaver, 'MEMBER');
    const threadId = await newThread(people.owner, places.shared);
    const model = { id: models.shared ?? '' };
    const { messageId, call } = await askHeld(server.simulator, people.owner, model, { threadId });
    const client = connect(leaver);
    const heard: string[] = [];
    let begun = 0;
    const follows = Object.entries({
      'answer-events': { messageId },
      'thread-events': { threadId },
      'workspace-events': { workspaceId: places.shared },
    }).map(async ([operation, variables]) => {
      try {
        for await (const event of follow(client, operation, variables)) {
          begun++;
          heard.push(`${operation} ${event.__typename}`);
        }
      } catch (error) {
        heard.push(`${operation} ${String(error).includes('NOT_FOUND') ? 'NOT_FOUND' : error}`);
      }
    });
    await eventually('the snapshots', () => begun >= 2);
    call.release(1);
    await eventually('a delta for each of the two', () => begun >= 4);
    heard.length = 0;
    await change(people.owner, 'remove-member', { workspaceId: places.shared, userId: leaver.id });
    call.release();
    await Promise.all(follows);
    expect(heard.toSorted()).toEqual([
      'answer-events NOT_FOUND',
      'thread-events ThreadRemoved',
      'workspace-events NOT_FOUND',
    ]);
    await client.dispose();
  },
);

test('the matrix is as large as the schema', () => {
  const places = inputPlaces();
  const cases = rules.reduce((total, each) => total + each.cases.length, 0);
  say(`${ENTRIES.length} root fields, ${objectTypes().length} types of object, ${places.length} arguments`);
  say(`${rules.length} of them take an id: ${cases} cases × ${ACTORS.length} people × 3 transports`);
});

interface Tried {
  cells: number;
  outcomes: Map<string, number>;
  wrong: string[];
  compared: number;
  comparedPaths: Set<string>;
  different: string[];
}

/** Tries everything that is expected to end like this. */
async function tryAll(transport: TransportName, isMeant: (outcome: string) => boolean): Promise<Tried> {
  const tried: Tried = {
    cells: 0,
    outcomes: new Map(),
    wrong: [],
    compared: 0,
    comparedPaths: new Set(),
    different: [],
  };
  const cells = rules.flatMap(({ path, cases }) =>
    cases.flatMap((each) =>
      ACTORS.flatMap((actor) => {
        const expected = expectedOf(transport, path, each, actor);
        return isMeant(expected) ? [{ path, each, actor, expected }] : [];
      }),
    ),
  );
  const waiting = cells.values();
  const twins = new Map<string, Promise<string>>();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const { path, each, actor, expected } of waiting)
        await tryOne(tried, twins, transport, { path, each, actor, expected });
    }),
  );
  return tried;
}

/** Asks for the object itself, and for a mutation or event also for those that it leads to. */
function documentFor(path: string): string {
  const name = path.split('.')[0] ?? '';
  const known = documents.get(name);
  if (known !== undefined) return known;
  const entry = entryOf(name);
  const depth = entry.operation === 'query' ? 0 : 1;
  const [document = ''] = documentsOf(entry, { depth, leaves: 'ids', first: 5 });
  documents.set(name, document);
  return document;
}

const documents = new Map<string, string>();

interface Cell {
  path: string;
  each: Case;
  actor: ActorName;
  expected: string;
}

async function tryOne(
  tried: Tried,
  twins: Map<string, Promise<string>>,
  transport: TransportName,
  { path, each, actor, expected }: Cell,
): Promise<void> {
  const copies: string[] = [];
  const isAllowed = expected === 'ok';
  const variables = await each.variables({
    world,
    actor,
    isAllowed,
    copyOf: copier(world, isAllowed, copies),
  });
  const document = documentFor(path);
  const text = await send(transport, actor, document, variables);
  const outcome = outcomeOf(text);
  tried.cells++;
  tried.outcomes.set(outcome, (tried.outcomes.get(outcome) ?? 0) + 1);
  const name = `${actor}: ${path} ${each.title}`;
  if (outcome !== (expected === OTHER_NOT_FOUND ? 'NOT_FOUND' : expected))
    tried.wrong.push(`${name}: ${outcome} instead of ${expected}`);
  if (outcome === 'ok' && isAllowed && actor !== 'anonymous' && document.startsWith('mutation')) {
    const sight = await readSight(server.app.db, formerMembers());
    tried.wrong.push(
      ...wrongly(sight, actor, objectsIn(dataOf(text))).map((seen) => `${name}: sees ${seen}`),
    );
  }
  for (const id of copies) await removeCopy(world, id);
  if (!COMPARED.includes(expected)) return;
  const twin = withRandomId(path, variables);
  const masked = JSON.stringify(twin).replace(JSON.stringify(at(path, twin)), '');
  const key = `${path} ${actor} ${masked}`;
  const made = twins.get(key) ?? send(transport, actor, document, twin);
  twins.set(key, made);
  tried.compared++;
  tried.comparedPaths.add(path);
  if ((await made) !== text) tried.different.push(`${name}: ${text} but made up: ${await made}`);
}

/** What must not depend on whether there is such a thing. */
const COMPARED = ['NOT_FOUND', 'STALE_SEALING_KEY', 'UNAUTHENTICATED', 'NOT_PERMITTED null', 'closed 4403'];

function at(path: string, variables: unknown): unknown {
  const [, ...names] = path.split('.');
  return names.reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], variables);
}

/** Nobody gets at most of it without signing in, to a socket not even that far. */
function expectedOf(
  transport: TransportName,
  path: string,
  { expect: expected }: Case,
  actor: ActorName,
): string {
  const { operation } = entryOf(path.split('.')[0] ?? '');
  if (actor !== 'anonymous') {
    const outcome = expected(actor);
    // There is something to follow, but not in one response of JSON.
    return operation === 'subscription' && transport === 'HTTP' && outcome === 'ok' ? 'status 406' : outcome;
  }
  if (transport === 'WebSocket') return 'closed 4403';
  if (operation === 'query') return 'NOT_FOUND';
  return path.startsWith('setPlan.') ? expected(actor) : 'UNAUTHENTICATED';
}

function outcomeOf(text: string): string {
  if (/^(closed|status)/.test(text)) return text;
  const { data, errors } = parse(text);
  if (errors !== undefined) return errors[0]?.extensions?.code ?? `?${text}`;
  const [value] = [Object.values(data ?? {})[0]].flat();
  if (value === null || value === undefined) return 'NOT_FOUND';
  const { __typename: typeName, ...fields } = value as { __typename: string; [field: string]: unknown };
  if (!typeName.endsWith('Error')) return 'ok';
  return typeName === 'NotPermittedError' ? `${fields.code} ${fields.requiredRole}` : String(fields.code);
}

interface Parsed {
  data?: Record<string, unknown> | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

function parse(text: string): Parsed {
  try {
    return JSON.parse(text) as Parsed;
  } catch {
    throw new Error(`no JSON: ${text}`);
  }
}

function dataOf(text: string): unknown {
  const { data, errors } = parse(text);
  if (errors !== undefined) throw new Error(text);
  return data;
}

function wrongly(sight: Sight, actor: Exclude<ActorName, 'anonymous'>, seen: readonly Seen[]): string[] {
  return seen
    .filter((each) => !sight.maySee(world.people[actor].id, each))
    .map(({ typeName, id, ownerId }) => `${actor} ${typeName} ${id} in ${ownerId}`);
}

async function send(
  transport: TransportName,
  actor: ActorName,
  query: string,
  variables: object,
): Promise<string> {
  const opened = transports.get(`${transport} ${actor}`);
  if (opened === undefined) throw new Error('not opened');
  return await opened.send(query, variables);
}

/** Whose name is still on things in a place that they are no longer in. */
function formerMembers(): { ownerId: string; userId: string }[] {
  const { places, people } = world;
  return [places.shared, places.team, places.room].map((ownerId) => ({ ownerId, userId: people.removed.id }));
}

/** Everything that somebody of this world owns or made. */
function allIds(): string[] {
  const { places, keys, models, threads, invitations } = world;
  return [
    ...Object.values(places),
    ...Object.values(keys),
    ...Object.values(models),
    ...threads.flatMap(({ threadId, questionId, answerId }) => [threadId, questionId, answerId]),
    ...Object.values(invitations).map(({ id }) => id),
  ];
}

/** All rows of all tables but the sessions, which know when they were used. */
async function dump(): Promise<string[]> {
  const tables = TABLES.flatMap((module) => Object.values(module)).filter((value) => is(value, PgTable));
  const rows: string[] = [];
  for (const table of tables) {
    const { name } = getTableConfig(table as PgTable);
    if (name === 'sessions') continue;
    for (const row of await server.app.db.select().from(table as PgTable))
      rows.push(`${name} ${JSON.stringify(row)}`);
  }
  return rows.toSorted();
}

const TABLES = [
  auditTables,
  keyTables,
  modelTables,
  teamTables,
  threadTables,
  userTables,
  workspaceTables,
  invitationTables,
];

function summary({ cells, outcomes }: Tried): string {
  const counts = [...outcomes].toSorted().map(([outcome, count]) => `${count} ${outcome}`);
  return `${cells} (${counts.join(', ')})`;
}

/** As many as a client might have under way. */
const AT_ONCE = 8;

/** Of what was asked for, of what is gone, and of what an audit log tells; an event is judged by who gets it. */
const ID_FIELDS = [
  'AnswerDelta.messageId',
  'AnswerRetrying.messageId',
  'ApiKeyRemoved.apiKeyId',
  'AuditEntry.subjectId',
  'DeleteTeamPayload.removedId',
  'DeleteThreadPayload.removedId',
  'DeleteWorkspacePayload.removedId',
  'LeaveTeamPayload.leftId',
  'LeaveWorkspacePayload.leftId',
  'MemberRemoved.userId',
  'MessageRemoved.messageId',
  'RemoveApiKeyPayload.removedId',
  'RemoveMemberPayload.removedId',
  'RevokeInvitationPayload.removedId',
  'SetPlanPayload.teamId',
  'SetPlanPayload.userId',
  'ThreadRemoved.threadId',
];
