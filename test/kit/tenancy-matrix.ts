import { is } from 'drizzle-orm';
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, vi } from 'vitest';
import * as keyTables from '../../src/db/tables/api-key.ts';
import * as attachmentTables from '../../src/db/tables/attachment.ts';
import * as auditTables from '../../src/db/tables/audit.ts';
import * as invitationTables from '../../src/db/tables/invitation.ts';
import * as modelTables from '../../src/db/tables/model.ts';
import * as teamTables from '../../src/db/tables/team.ts';
import * as threadTables from '../../src/db/tables/thread.ts';
import * as userTables from '../../src/db/tables/user.ts';
import * as workspaceTables from '../../src/db/tables/workspace.ts';
import { liftCheckLimits } from './altered-provider.ts';
import { freshDatabase } from './database.ts';
import { startTestServer, type TestServer } from './server.ts';
import {
  type Case,
  copier,
  FOR_OPERATOR_ONLY,
  OTHER_NOT_FOUND,
  type Rule,
  rulesOf,
  withRandomId,
} from './tenancy-rules.ts';
import { documentsOf, entryOf } from './tenancy-schema.ts';
import { objectsIn, readSight, type Seen, type Sight } from './tenancy-sight.ts';
import { openTransport, TRANSPORT_NAMES, type Transport, type TransportName } from './tenancy-transport.ts';
import { ACTORS, type ActorName, buildWorld, removeCopy, type World } from './tenancy-world.ts';

/** A world of people and places, and a server that all of them are connected to over every transport. */
export interface Matrix {
  readonly server: TestServer;
  readonly world: World;
  readonly rules: readonly Rule[];
}

/** Builds the world before the first test of a file and takes it down after the last. */
export function useMatrix(): Matrix {
  beforeAll(build);
  afterAll(async () => {
    for (const transport of transports.values()) transport[Symbol.dispose]();
    await server.close();
    vi.restoreAllMocks();
  });
  return {
    get server() {
      return server;
    },
    get world() {
      return world;
    },
    get rules() {
      return rules;
    },
  };
}

// Of the file whose tests run: a worker runs one after the other.
let server: TestServer;
let world: World;
let rules: Rule[];
const transports = new Map<string, Transport>();

async function build(): Promise<void> {
  server = await startTestServer({}, { database: await freshDatabase() });
  // Rate limits of tries are not tested here.
  liftCheckLimits(server);
  vi.spyOn(server.app.invitationLimits, 'take').mockImplementation(async () => {});
  world = await buildWorld(server);
  rules = rulesOf(world);
  for (const name of TRANSPORT_NAMES)
    for (const actor of ACTORS) {
      const token = actor === 'anonymous' ? null : world.people[actor].token;
      transports.set(`${name} ${actor}`, await openTransport(name, server.url, token));
    }
}

export interface Tried {
  cells: number;
  outcomes: Map<string, number>;
  wrong: string[];
  compared: number;
  comparedPaths: Set<string>;
  different: string[];
}

/**
 * Tries everything that is expected to end like this: all of it over WebSocket, and half each over the other two, since what
 * a person may do is decided behind the transport.
 */
export async function tryAll(
  transport: TransportName,
  isMeant: (outcome: string) => boolean,
): Promise<Tried> {
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
  const half = transport === 'HTTP' ? 0 : 1;
  const waiting = cells.values().filter((_cell, index) => transport === 'WebSocket' || index % 2 === half);
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

/** Without a session most of it is refused, and a socket is closed at once. */
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
    return operation === 'subscription' && transport === 'HTTP' && outcome === 'ok' ? 'BAD_INPUT' : outcome;
  }
  if (transport === 'WebSocket') return 'closed 4403';
  if (operation === 'query') return 'NOT_FOUND';
  return expected(actor) === FOR_OPERATOR_ONLY ? FOR_OPERATOR_ONLY : 'UNAUTHENTICATED';
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

export function dataOf(text: string): unknown {
  const { data, errors } = parse(text);
  if (errors !== undefined) throw new Error(text);
  return data;
}

export function wrongly(
  sight: Sight,
  actor: Exclude<ActorName, 'anonymous'>,
  seen: readonly Seen[],
): string[] {
  return seen
    .filter((each) => !sight.maySee(world.people[actor].id, each))
    .map(({ typeName, id, tenantId }) => `${actor} ${typeName} ${id} in ${tenantId}`);
}

export async function send(
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
export function formerMembers(): { tenantId: string; userId: string }[] {
  const { places, people } = world;
  return [places.shared, places.team, places.room].map((tenantId) => ({
    tenantId,
    userId: people.removed.id,
  }));
}

/** The ids of everything that a person of this world owns or made. */
export function allIds(): string[] {
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
export async function dump(): Promise<string[]> {
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
  attachmentTables,
  auditTables,
  keyTables,
  modelTables,
  teamTables,
  threadTables,
  userTables,
  workspaceTables,
  invitationTables,
];

export function summary({ cells, outcomes }: Tried): string {
  const counts = [...outcomes].toSorted().map(([outcome, count]) => `${count} ${outcome}`);
  return `${cells} (${counts.join(', ')})`;
}

/** As many as a client might have under way. */
const AT_ONCE = 8;
