import { describe, expect, test } from 'vitest';
import { say } from './kit/say.ts';
import {
  allIds,
  dataOf,
  dump,
  formerMembers,
  send,
  summary,
  tryAll,
  useMatrix,
  wrongly,
} from './kit/tenancy-matrix.ts';
import { FOR_OPERATOR_ONLY } from './kit/tenancy-rules.ts';
import { documentsOf, entryOf, inputPlaces, objectTypes } from './kit/tenancy-schema.ts';
import { FOR_OPERATOR, INHERITING, JUDGED, objectsIn, readSight } from './kit/tenancy-sight.ts';
import { TRANSPORT_NAMES } from './kit/tenancy-transport.ts';
import { ACTORS, PLACES, ROLES_IN } from './kit/tenancy-world.ts';

/**
 * A sender who can name an id must not reach what belongs to another person, by any argument, with any role, over any transport.
 * What is tried comes from the schema, what is expected from the table of actions, and what people may see is worked out
 * from the bare tables.
 */
const matrix = useMatrix();

describe('a rule', () => {
  test('a tenancy rule says of every argument that takes an id what it leads to, and of no other', () => {
    const places = inputPlaces();
    const taking = places.filter(({ typeName }) => typeName === 'ID').map(({ path }) => path);
    const ruled = matrix.rules.map(({ path }) => path);
    expect(taking.filter((path) => !ruled.includes(path))).toEqual([]);
    expect(ruled.filter((path) => !places.some((place) => place.path === path))).toEqual([]);
    expect(matrix.rules.filter(({ cases }) => cases.length === 0)).toEqual([]);
  });

  test('a tenancy rule says of every type of object who may see it', () => {
    const types = objectTypes();
    const known = [...JUDGED, ...FOR_OPERATOR];
    const unjudged = types.filter(({ name }) => !INHERITING.test(name) && !known.includes(name));
    expect(unjudged).toEqual([]);
    expect(types.flatMap(({ idFields }) => idFields).toSorted()).toEqual(ID_FIELDS);
  });

  test('the expected roles are those in the database', async () => {
    const sight = await readSight(matrix.server.app.db, []);
    for (const place of PLACES)
      for (const actor of ACTORS)
        if (actor !== 'anonymous')
          expect([
            place,
            actor,
            sight.roleIn(matrix.world.people[actor].id, matrix.world.places[place]),
          ]).toEqual([place, actor, ROLES_IN[place][actor] ?? null]);
  });
});

describe.each(TRANSPORT_NAMES)('over %s', (transport) => {
  test('every person reads everything that they may see and nothing else, along all paths of the schema', async () => {
    const sight = await readSight(matrix.server.app.db, formerMembers());
    const standing = new Set(sight.allSeenBy('').concat(allIds()));
    // What is behind a field does not depend on the transport, so one of them goes furthest.
    const depth = transport === 'HTTP' ? 4 : 3;
    const documents = documentsOf(entryOf('viewer'), { depth, leaves: 'ids', first: 8 });
    const typeNames = new Set<string>(['Provider']); // what can be asked for without an id
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
      const expected = sight.allSeenBy(matrix.world.people[actor].id).filter((id) => standing.has(id));
      expect([actor, [...found].toSorted()]).toEqual([actor, expected.toSorted()]);
    }
    // The files of a message are one step further than the others go.
    const tooFar = transport === 'HTTP' ? [] : ['Attachment'];
    expect(JUDGED.filter((typeName) => !typeNames.has(typeName))).toEqual(tooFar);
    say(`${transport}: ${documents.length} documents by ${ACTORS.length} people led to ${objects} objects`);
  }, 60_000);
});

// All of this before anything is done.
describe.each(TRANSPORT_NAMES)('over %s', (transport) => {
  test('an action that the role does not allow is refused and changes nothing, and the id of another person’s object is like one made up', async () => {
    const before = await dump();
    const tried = await tryAll(transport, (outcome) => outcome !== 'ok');
    expect(tried.wrong.slice(0, 20)).toEqual([]);
    expect(tried.different.slice(0, 20)).toEqual([]);
    expect(await dump()).toEqual(before);
    say(`${transport}: refused ${summary(tried)}`);
    say(`${transport}: compared byte for byte ${tried.compared}, for ${tried.comparedPaths.size} arguments`);
  }, 60_000);
});

test('every root field that takes an id is tried by a person who may use it and by one who may not', () => {
  const people = ACTORS.filter((actor) => actor !== 'anonymous');
  const taking = inputPlaces().filter(({ typeName }) => typeName === 'ID');
  const outcomes = new Map(taking.map(({ path }) => [rootOf(path), new Set<string>()]));
  for (const { path, cases } of matrix.rules)
    for (const each of cases) for (const actor of people) outcomes.get(rootOf(path))?.add(each.expect(actor));
  const fields = [...outcomes].filter(([, { size }]) => size > 1).map(([field]) => field);
  expect(fields.filter((field) => !outcomes.get(field)?.has('ok'))).toEqual([]);
  const others = [...outcomes.keys()].filter((field) => !fields.includes(field)).toSorted();
  expect(others).toEqual(OPERATOR_FIELDS);
  for (const field of others) expect([...(outcomes.get(field) ?? [])]).toEqual([FOR_OPERATOR_ONLY]);
});

function rootOf(path: string): string {
  return path.split('.')[0] ?? '';
}

/** The mutations of the operator, which refuse every person. */
const OPERATOR_FIELDS = ['createPasswordReset', 'disableUser', 'enableUser', 'setPlan', 'signOutUser'];

/** Of what was asked for, of what is gone, and of what an audit log records; an event is judged by who gets it. */
const ID_FIELDS = [
  'Account.userId',
  'AnswerDelta.answerId',
  'AnswerRetrying.answerId',
  'ApiKeyRemoved.removedId',
  'AuditEntry.subjectId',
  'DeleteTeamPayload.removedId',
  'DeleteThreadPayload.removedId',
  'DeleteWorkspacePayload.removedId',
  'LeaveTeamPayload.removedId',
  'LeaveWorkspacePayload.removedId',
  'MemberRemoved.removedId',
  'MemberRemoved.userId',
  'MessageRemoved.removedId',
  'ModelNotice.modelId',
  'ModelNotice.replacementId',
  'RemoveApiKeyPayload.removedId',
  'RemoveAttachmentPayload.removedId',
  'RemoveMemberPayload.removedId',
  'RemoveModelVariantPayload.removedId',
  'RevokeInvitationPayload.removedId',
  'SetPlanPayload.teamId',
  'SetPlanPayload.userId',
  'ThreadRemoved.removedId',
];
