import { randomBytes } from 'node:crypto';
import { and, asc, between, eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  AUDIT_ACTIONS,
  AUDIT_DETAILS,
  type AuditAction,
  type AuditDetailName,
  type AuditEvent,
} from '../src/audit/action.ts';
import {
  type AuditEntry,
  type AuditFilter,
  describeAuditEntry,
  listAuditEntries,
} from '../src/audit/entry.ts';
import { faultSentence } from '../src/audit/fault.ts';
import { formatHead, parseHead } from '../src/audit/head.ts';
import { recordAudit } from '../src/audit/record-audit.ts';
import { verifyAudit } from '../src/audit/verify-audit.ts';
import { type Database, type OpenDatabase, openDatabase } from '../src/db/database.ts';
import { auditEntryIdOf, newId } from '../src/db/id.ts';
import type { PageInput } from '../src/db/page.ts';
import { auditChains, auditEntries } from '../src/db/tables/audit.ts';
import { RootKey } from '../src/vault/seal.ts';
import { newDataFolder, runCommand } from './kit/command.ts';
import { freshDatabase } from './kit/database.ts';
import { say } from './kit/say.ts';

const key = randomBytes(32);
const rootKeys = [new RootKey(key)] as const;
const actorId = newId('usr');
const subjectId = newId('key');
const main = { provider: 'OPENAI', label: 'Main' };

let database: OpenDatabase;
/** The one that every helper below works on. */
let db: Database;
/** What verifying said, for each way to tamper. */
const table: [title: string, alone: string[], withHead: string[]][] = [];

beforeAll(async () => {
  database = await freshDatabase();
  db = database.db;
});

beforeEach(async () => {
  await db.delete(auditEntries);
  await db.delete(auditChains);
});

afterAll(async () => {
  for (const [title, alone, withHead] of table) {
    say(title);
    say(`    alone      ${alone.join(' ') || 'as recorded'}`);
    say(`    with head  ${withHead.join(' ') || 'as recorded'}`);
  }
  await database.close();
});

describe('an audit log', () => {
  test('an audit log is read newest first, in pages, with a sentence for each entry', async () => {
    const tenantId = await logOf([
      keyEvent('KEY_ADDED'),
      { action: 'KEY_CHECKED', actorId, subjectId, details: { ...main, health: 'EXHAUSTED' } },
      { action: 'MEMBER_ADDED', actorId, subjectId: newId('usr'), details: { role: 'VIEWER' } },
      {
        action: 'PLAN_CHANGED',
        actorId: null,
        subjectId: null,
        details: { previousPlan: 'FREE', plan: 'PREMIUM' },
      },
    ]);
    const first = await listAuditEntries({ db }, tenantId, { first: 3 });
    expect(first.rows.map(lineOf)).toEqual([
      '4 Changed the plan from Free to Premium.',
      '3 Added Grace as viewer.',
      '2 Checked the OpenAI key “Main”: accepted, but without credit.',
    ]);
    const [newest] = first.rows;
    expect(newest).toMatchObject({ action: 'PLAN_CHANGED', actorId: null, subjectId: null });
    expect(newest?.at?.getTime()).toBeGreaterThan(Date.now() - 10_000);
    expect(first).toMatchObject({ hasNextPage: true, hasPreviousPage: false });

    const after = first.cursorOf(first.rows[2] ?? expect.unreachable());
    const second = await listAuditEntries({ db }, tenantId, { after });
    expect(second.rows.map(lineOf)).toEqual(['1 Added the OpenAI key “Main”.']);
    expect(second.rows).toMatchObject([{ action: 'KEY_ADDED', actorId, subjectId, details: main }]);
    const oldest = await listAuditEntries({ db }, tenantId, { last: 1 });
    expect(oldest.rows).toEqual(second.rows);
    expect((await listAuditEntries({ db }, newId('wsp'), {})).rows).toEqual([]);
  });

  test('an audit log is filtered by action, actor and time, in pages of the entries found', async () => {
    const otherId = newId('usr');
    const tenantId = await logOf([
      keyEvent('KEY_ADDED'),
      { ...keyEvent('KEY_REMOVED'), actorId: otherId },
      labelled('with "quotes", \\ and {braces}\u0000'),
      { action: 'TEAM_DELETED', actorId: null, subjectId: null, details: { name: 'Labs' } },
      { action: 'MEMBER_DISABLED', actorId: null, subjectId: actorId, details: {} },
    ]);
    const found = async (filter: AuditFilter, page: PageInput = {}) =>
      (await listAuditEntries({ db }, tenantId, page, filter)).rows.map(({ position }) => position);
    expect(await found({})).toEqual([5, 4, 3, 2, 1]);
    expect(await found({ actions: null, actorId: null, from: null, to: null })).toEqual([5, 4, 3, 2, 1]);
    expect(await found({ actions: ['KEY_ADDED', 'TEAM_DELETED'] })).toEqual([4, 3, 1]);
    expect(await found({ actions: Object.keys(AUDIT_ACTIONS) as AuditAction[] })).toEqual([5, 4, 3, 2, 1]);
    expect(await found({ actions: ['UNREADABLE'] })).toEqual([]);
    expect(await found({ actions: [] })).toEqual([]);
    expect(await found({ actorId })).toEqual([3, 1]);
    expect(await found({ actorId: otherId, actions: ['KEY_ADDED'] })).toEqual([]);
    for (const id of ['', '\0', '"', 'usr_', subjectId, newId('usr')])
      expect(await found({ actorId: id })).toEqual([]);

    const { rows } = await listAuditEntries({ db }, tenantId, {});
    const third = rows.find(({ position }) => position === 3)?.at ?? expect.unreachable();
    const all = rows.filter(({ at }) => at !== null && at >= third).map(({ position }) => position);
    expect(await found({ from: third })).toEqual(all);
    expect(await found({ to: third })).toEqual([5, 4, 3, 2, 1].filter((position) => !all.includes(position)));
    expect(await found({ from: new Date('9999-01-01') })).toEqual([]);

    const first = await listAuditEntries({ db }, tenantId, { first: 1 }, { actorId });
    expect(first).toMatchObject({ rows: [{ position: 3 }], hasNextPage: true });
    const after = first.cursorOf(first.rows[0] ?? expect.unreachable());
    expect(await found({ actorId }, { first: 1, after })).toEqual([1]);
    expect(await found({ actorId }, { last: 1 })).toEqual([1]);
  });

  test('every action of an audit log has a sentence, and every value in it a word', () => {
    const sentences = Object.entries(AUDIT_ACTIONS).flatMap(([action, facts]) => {
      const names: readonly AuditDetailName[] = facts.details;
      const most = Math.max(1, ...names.map((name) => valuesOf(name).length));
      return Array.from({ length: most }, (_, index) => {
        const details = Object.fromEntries(
          names.map((name, place) => [
            name,
            valuesOf(name).at((index + place) % valuesOf(name).length) ?? '',
          ]),
        );
        const entry = {
          position: 1,
          action: action as AuditAction,
          at: new Date(),
          actorId,
          subjectId,
          details,
        };
        return describeAuditEntry(entry, words);
      });
    });
    expect(sentences.join('\n')).toMatchInlineSnapshot(`
      "Added the OpenAI key “Main”.
      Checked the OpenAI key “Main”: refused.
      Checked the OpenAI key “Main”: expired.
      Checked the OpenAI key “Main”: accepted, but without credit.
      Checked the OpenAI key “Main”: accepted.
      Checked the OpenAI key “Main”: the provider could not be asked.
      Changed the place in the order of the OpenAI key “Main”.
      Changed the label of the OpenAI key “Main”.
      Changed the expiry of the OpenAI key “Main”.
      Replaced the secret of the OpenAI key “Main”.
      Switched on the OpenAI key “Main”.
      Switched off the OpenAI key “Main”.
      Removed the OpenAI key “Main”.
      Could not open the OpenAI key “Main”: it was changed outside Latchkey.
      Could not open the OpenAI key “Main”: it was changed outside Latchkey.
      Could not open the OpenAI key “Main”: it was changed outside Latchkey.
      Could not open the OpenAI key “Main”: this server does not have its root key.
      Could not open the OpenAI key “Main”: it was changed outside Latchkey.
      The models of the OpenAI key “Main” changed. New: added. Gone: removed. To be shut down: shutdowns.
      Added the model “name” to the OpenAI key “Main”.
      Created the model “name” for the maker alone.
      Created the model “name” for everybody.
      Changed the model “name” for the maker alone.
      Changed the model “name” for everybody.
      Removed the model “name” for the maker alone.
      Removed the model “name” for everybody.
      Added Grace as owner.
      Added Grace as admin.
      Added Grace as member.
      Added Grace as viewer.
      Changed Grace from owner to admin.
      Changed Grace from admin to member.
      Changed Grace from member to viewer.
      Changed Grace from viewer to owner.
      Disabled the account of Grace.
      Enabled the account of Grace again.
      Removed Grace (owner).
      Removed Grace (admin).
      Removed Grace (member).
      Removed Grace (viewer).
      Left (owner).
      Left (admin).
      Left (member).
      Left (viewer).
      Invited a person as owner.
      Invited a person as admin.
      Invited a person as member.
      Invited a person as viewer.
      Revoked an invitation as owner.
      Revoked an invitation as admin.
      Revoked an invitation as member.
      Revoked an invitation as viewer.
      Made Grace the owner.
      Created the workspace “name”.
      Renamed the workspace “previousName” to “name”.
      Deleted the workspace “name”.
      Created the team “name”.
      Renamed the team “previousName” to “name”.
      Deleted the team “name”.
      Changed the plan from Free to Premium.
      Changed the plan from Premium to Business.
      Changed the plan from Business to Free."
    `);
  });

  test('an audit log entry has the details of its action and no other data', async () => {
    const secrets = {
      secret: 'sk-canary-secret',
      hint: 'canary-hint',
      baseUrl: 'https://canary.example/v1',
      ciphertext: Buffer.from('canary-ciphertext'),
    };
    const tenantId = await logOf([
      { action: 'KEY_ADDED', actorId, subjectId, details: { ...main, ...secrets } },
    ]);
    const [row] = await rowsOf(tenantId);
    expect(JSON.parse(row?.content ?? '')).toEqual({
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      action: 'KEY_ADDED',
      actorId,
      subjectId,
      details: main,
    });
    expect(row?.content).not.toContain('canary');
  });

  test('an audit log entry may have any text that a label may have', async () => {
    const labels = [
      '“',
      '\\u0000',
      'null',
      '{provider}',
      '🔑',
      '\u2028',
      `${'x'.repeat(100)}`,
      '"}',
      '\ud83d',
    ];
    const tenantId = await logOf(labels.map(labelled));
    expect(await faultsOf(tenantId)).toEqual([]);
    const { rows } = await listAuditEntries({ db }, tenantId, {});
    expect(rows.map(({ details }) => details.label).reverse()).toEqual(labels);
    expect(lineOf(rows[5] ?? expect.unreachable())).toBe('4 Added the OpenAI key “{provider}”.');
  });

  test('an audit log stays readable around an entry that was inserted by hand', async () => {
    const tenantId = await logOf([keyEvent('KEY_ADDED'), keyEvent('KEY_REMOVED')]);
    const recorded = await rowsOf(tenantId);
    const content = JSON.parse(recorded[0]?.content ?? '');
    const unreadable = [
      '',
      '{',
      'null',
      JSON.stringify({ ...content, action: 'KEY_STOLEN' }),
      JSON.stringify({ ...content, action: 'constructor' }),
      JSON.stringify({ ...content, at: 'yesterday' }),
      JSON.stringify({ ...content, actorId: 'usr_\0' }),
      JSON.stringify({ ...content, subjectId: 7 }),
      JSON.stringify({ ...content, details: { label: {} } }),
    ];
    const entryAt = (position: number) =>
      and(eq(auditEntries.tenantId, tenantId), eq(auditEntries.position, position));
    for (const text of unreadable) {
      await db.update(auditEntries).set({ content: text }).where(entryAt(1));
      const { rows } = await listAuditEntries({ db }, tenantId, {});
      expect(rows.map(lineOf), text).toEqual([
        '2 Removed the OpenAI key “Main”.',
        '1 This entry cannot be read.',
      ]);
      expect(rows[1]).toEqual({
        id: auditEntryIdOf(tenantId, 1),
        position: 1,
        action: 'UNREADABLE',
        at: null,
        actorId: null,
        subjectId: null,
        details: {},
      });
    }
    for (const text of unreadable) {
      await db.update(auditEntries).set({ content: text }).where(entryAt(1));
      const found = async (filter: AuditFilter) =>
        (await listAuditEntries({ db }, tenantId, {}, filter)).rows.map(({ position }) => position);
      expect(await found({ actions: ['UNREADABLE'] }), text).toEqual([1]);
      expect(await found({ actions: ['UNREADABLE', 'KEY_REMOVED'] }), text).toEqual([2, 1]);
      expect(await found({ actions: ['KEY_ADDED', 'KEY_REMOVED'] }), text).toEqual([2]);
      expect(await found({ actions: ['UNREADABLE'], to: new Date('9999-01-01') }), text).toEqual([]);
    }
    const odd = { ...content, details: { provider: 'constructor' } };
    await db
      .update(auditEntries)
      .set({ content: JSON.stringify(odd) })
      .where(entryAt(1));
    const { rows } = await listAuditEntries({ db }, tenantId, {});
    expect(lineOf(rows[1] ?? expect.unreachable())).toBe('1 Added the constructor key “…”.');
  });

  test('an entry is committed or rolled back with the change that it records', async () => {
    const tenantId = await logOf([keyEvent('KEY_ADDED')]);
    const head = await soundHead(tenantId);
    const rolledBack = db.transaction(async (tx) => {
      await recordAudit(tx, { rootKeys }, tenantId, keyEvent('KEY_REMOVED'));
      throw new Error('the deed failed');
    });
    await expect(rolledBack).rejects.toThrow('the deed failed');
    expect(await soundHead(tenantId)).toBe(head);

    const otherServer = { rootKeys: [new RootKey(randomBytes(32))] as const };
    const refused = db.transaction((tx) => recordAudit(tx, otherServer, tenantId, keyEvent('KEY_REMOVED')));
    await expect(refused).rejects.toMatchObject({ name: 'SealError', type: 'unknown-root' });
    expect(await soundHead(tenantId)).toBe(head);
  });

  test('100 entries at once in a new audit log are one chain without a gap', async () => {
    const tenantId = newId('wsp');
    await Promise.all(Array.from({ length: 100 }, (_, index) => append(tenantId, labelled(`${index}`))));
    const positions = (await rowsOf(tenantId)).map(({ position }) => position);
    expect(positions).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    const { rows } = await listAuditEntries({ db }, tenantId, { first: 100 });
    expect(new Set(rows.map(({ details }) => details.label)).size).toBe(100);
    expect(await soundHead(tenantId)).toMatch(/\.100\.[0-9a-f]{64}$/);
    say(`appended at once: 100 entries, ${positions.length} positions, sound`);
  });
});

/** What is said of entries of which each rests on one that is not there. */
const disorder = (from: number, to: number) =>
  `Entries ${from} to ${to} do not follow one another as they were recorded: one was edited, inserted, removed or moved.`;

const TWELVE = Array.from({ length: 12 }, () => keyEvent('KEY_ADDED'));

/**
 * An attacker who can write to the database, and has no root key, wants the log to say something else. Each of these is done to
 * a log of 12 entries; the head given is the one that it had before.
 */
const MANIPULATIONS: [
  title: string,
  tamper: (log: Log) => Promise<unknown>,
  alone: string[],
  withHead?: string[],
][] = [
  ['nothing', async () => {}, []],
  [
    'entry 5 edited',
    (log) => edit(log, 5, (content) => content.replace('Main', 'Mine')),
    ['Entry 5 is not what was recorded there.'],
  ],
  [
    'who did entry 12',
    (log) => edit(log, 12, (content) => content.replace(actorId, newId('usr'))),
    ['Entry 12 is not what was recorded there.'],
  ],
  [
    'when entry 1 was done',
    (log) => edit(log, 1, (content) => content.replace('"at":"2', '"at":"1')),
    ['Entry 1 is not what was recorded there.'],
  ],
  [
    'a space added to entry 7',
    (log) => edit(log, 7, (content) => `${content} `),
    ['Entry 7 is not what was recorded there.'],
  ],
  [
    'entry 5 edited, its hash too',
    async (log) => {
      await edit(log, 5, (content) => content.replace('Main', 'Mine'));
      await setHash(log, 5, randomBytes(32));
    },
    [disorder(5, 6)],
  ],
  [
    'entry 12 edited, its hash and the end too',
    async (log) => {
      const hash = randomBytes(32);
      await edit(log, 12, (content) => content.replace('Main', 'Mine'));
      await setHash(log, 12, hash);
      await setChain(log, { head: hash });
    },
    ['Entry 12 is not what was recorded there.'],
    ['Entry 12 is not what was recorded there.', 'Entry 12 is not the one of the given head.'],
  ],
  [
    'entry 5 removed',
    (log) => remove(log, 5),
    ['Entry 5 is missing.', 'Entry 6 cannot be checked without the one before it.'],
  ],
  [
    'entries 1 to 3 removed',
    (log) => remove(log, 1, 3),
    ['Entries 1 to 3 are missing.', 'Entry 4 cannot be checked without the one before it.'],
  ],
  [
    'entries 3, 5 and 8 to 9 removed',
    async (log) => {
      await remove(log, 3);
      await remove(log, 5);
      await remove(log, 8, 9);
    },
    [
      'Entry 3 is missing.',
      'Entry 4 cannot be checked without the one before it.',
      'Entry 5 is missing.',
      'Entry 6 cannot be checked without the one before it.',
      'Entries 8 to 9 are missing.',
      'Entry 10 cannot be checked without the one before it.',
    ],
  ],
  [
    'entry 5 removed, the rest moved up',
    async (log) => {
      await remove(log, 5);
      await move(log, 6, 12, -1);
      await setChain(log, { length: 11 });
    },
    [disorder(5, 11)],
    [disorder(5, 11), '1 entry after entry 11 is missing: the given head is entry 12.'],
  ],
  [
    'entry 1 removed, the rest moved up',
    async (log) => {
      await remove(log, 1);
      await move(log, 2, 12, -1);
      await setChain(log, { length: 11 });
    },
    [disorder(1, 11)],
    [disorder(1, 11), '1 entry after entry 11 is missing: the given head is entry 12.'],
  ],
  [
    'an entry inserted at 5',
    async (log) => {
      await move(log, 5, 12, 1);
      await insert(log, 5, randomBytes(32));
      await setChain(log, { length: 13 });
    },
    [disorder(5, 13)],
    [disorder(5, 13), 'Entry 12 is not the one of the given head.'],
  ],
  [
    'an entry inserted at 5 with the hash of the one before',
    async (log) => {
      await move(log, 5, 12, 1);
      await insert(log, 5, await hashAt(log, 4));
      await setChain(log, { length: 13 });
    },
    [disorder(5, 13)],
    [disorder(5, 13), 'Entry 12 is not the one of the given head.'],
  ],
  [
    'an entry inserted at 0',
    (log) => insert(log, 0, randomBytes(32)),
    ['Entry 0 is not what was recorded there.'],
  ],
  [
    'an entry put at the end',
    (log) => insert(log, 13, randomBytes(32)),
    [
      'Entry 13 is not what was recorded there.',
      "Entry 13 is beyond the end that the chain's own row states.",
    ],
  ],
  [
    'an entry put at the end, which is moved',
    async (log) => {
      const hash = randomBytes(32);
      await insert(log, 13, hash);
      await setChain(log, { length: 13, head: hash });
    },
    ['Entry 13 is not what was recorded there.'],
  ],
  ['entries 5 and 6 swapped', (log) => swap(log, 5, 6), [disorder(5, 7)]],
  [
    'the texts of entries 5 and 9 swapped',
    async (log) => {
      const [five, nine] = [await contentAt(log, 5), await contentAt(log, 9)];
      await edit(log, 5, () => nine);
      await edit(log, 9, () => five);
    },
    ['Entry 5 is not what was recorded there.', 'Entry 9 is not what was recorded there.'],
  ],
  [
    'entry 5 taken from the log of another owner',
    async (log) => {
      const other = { tenantId: await logOf(TWELVE) };
      const content = await contentAt(other, 5);
      await edit(log, 5, () => content);
      await setHash(log, 5, await hashAt(other, 5));
    },
    [disorder(5, 6)],
  ],
  ['the last three cut', (log) => remove(log, 10, 12), ['Entries 10 to 12 are missing.']],
  [
    'the last three cut, the chain set back',
    (log) => cut(log),
    [],
    ['3 entries after entry 9 are missing: the given head is entry 12.'],
  ],
  [
    'the last three cut, the chain set back, others recorded since',
    async (log) => {
      await cut(log);
      for (const label of ['a', 'b', 'c', 'd']) await append(log.tenantId, labelled(label));
    },
    [],
    ['Entry 12 is not the one of the given head.'],
  ],
  [
    'the chain set back only',
    async (log) => setChain(log, { length: 9, head: await hashAt(log, 9) }),
    ["Entries 10 to 12 are beyond the end that the chain's own row states."],
  ],
  ['the chain set ahead', (log) => setChain(log, { length: 14 }), ['Entries 13 to 14 are missing.']],
  [
    'the end of the chain changed',
    (log) => setChain(log, { head: randomBytes(32) }),
    ["The end that the chain's own row states is not its last entry."],
  ],
  ['every entry removed', (log) => remove(log, 1, 12), ['Entries 1 to 12 are missing.']],
  [
    'every entry removed, the chain set back to its beginning',
    async (log) => {
      await remove(log, 1, 12);
      await setChain(log, { length: 0, head: new Uint8Array(32) });
    },
    ['Entry 1 is missing.'],
    ['Entry 1 is missing.', '12 entries after entry 0 are missing: the given head is entry 12.'],
  ],
  [
    'the chain deleted',
    (log) => dropChain(log),
    ['There are entries, but their chain is missing, so none of them can be checked.'],
  ],
  [
    'chain and entries deleted',
    async (log) => {
      await dropChain(log);
      await remove(log, 1, 12);
    },
    [],
    ['The log is gone: the given head is entry 12.'],
  ],
  [
    'chain and entries deleted, another log begun since',
    async (log) => {
      await dropChain(log);
      await remove(log, 1, 12);
      for (const event of TWELVE) await append(log.tenantId, event);
    },
    [],
    ['Entry 12 is not the one of the given head.'],
  ],
  [
    'the key of the chain taken from another owner',
    async (log) => {
      const [other] = await db
        .select()
        .from(auditChains)
        .where(eq(auditChains.tenantId, await logOf(TWELVE)));
      const { ciphertext, tag } = other ?? expect.unreachable();
      await setChain(log, { ciphertext, tag });
    },
    ['The key of the chain does not open: tampered. None of its entries can be checked.'],
  ],
  [
    'the log given to another owner',
    async (log) => {
      const tenantId = newId('wsp');
      await setChain(log, { tenantId });
      await db.update(auditEntries).set({ tenantId }).where(eq(auditEntries.tenantId, log.tenantId));
    },
    ['The key of the chain does not open: tampered. None of its entries can be checked.'],
    [
      'The key of the chain does not open: tampered. None of its entries can be checked.',
      'The log is gone: the given head is entry 12.',
    ],
  ],
];

describe('verifying', () => {
  test.each(MANIPULATIONS)(
    'finds: %s',
    async (title, tamper, expectedAlone, expectedWithHead = expectedAlone) => {
      const bystander = await logOf(TWELVE);
      const tenantId = await logOf(TWELVE);
      const head = await soundHead(tenantId);
      await tamper({ tenantId });
      const alone = await allFaults([], bystander);
      const withHead = await allFaults([head], bystander);
      table.push([title, alone, withHead]);
      expect(alone).toEqual(expectedAlone);
      expect(withHead).toEqual(expectedWithHead);
    },
  );

  test('verifying an audit log names the log and the place, and takes any head of before', async () => {
    const tenantId = await logOf(TWELVE.slice(0, 4));
    const early = await soundHead(tenantId);
    for (const event of TWELVE.slice(4)) await append(tenantId, event);
    const late = await soundHead(tenantId);
    expect([early, late].map(parseHead)).toMatchObject([
      { tenantId, length: 4 },
      { tenantId, length: 12 },
    ]);
    expect(await faultsOf(tenantId, [early, late])).toEqual([]);
    await cut({ tenantId });
    expect(await faultsOf(tenantId, [early])).toEqual([]);
    expect(await faultsOf(tenantId, [early, late])).toEqual([
      '3 entries after entry 9 are missing: the given head is entry 12.',
    ]);
  });

  test('verifying an audit log takes the log of a team, and of an owner that is no more, like any other', async () => {
    const tenantId = newId('tem');
    await append(tenantId, {
      action: 'TEAM_DELETED',
      actorId,
      subjectId: tenantId,
      details: { name: 'All' },
    });
    expect(parseHead(await soundHead(tenantId))).toMatchObject({ tenantId, length: 1 });
  });

  test('verifying an audit log while more is recorded finds nothing wrong', async () => {
    const tenantId = await logOf(TWELVE);
    let isDone = false;
    const recording = (async () => {
      for (let index = 0; index < 100; index += 1) await append(tenantId, labelled(`${index}`));
      isDone = true;
    })();
    let runs = 0;
    for (; !isDone; runs += 1) expect(await faultsOf(tenantId)).toEqual([]);
    await recording;
    expect(runs).toBeGreaterThan(1);
    expect(await soundHead(tenantId)).toContain('.112.');
  });

  test('verifying an audit log reaches every entry beyond one batch, and lists no more faults than can be read', async () => {
    const tenantId = await logOf(Array.from({ length: 530 }, (_, index) => labelled(`${index}`)));
    await remove({ tenantId }, 530);
    expect(await faultsOf(tenantId)).toEqual(['Entry 530 is missing.']);
    await db
      .update(auditEntries)
      .set({ content: sql`${auditEntries.content} || ' '` })
      .where(sql`${auditEntries.position} % 2 = 1`);
    const faults = await faultsOf(tenantId);
    expect(faults).toHaveLength(101);
    expect(faults.slice(99)).toEqual(['Entry 199 is not what was recorded there.', 'And 166 more.']);
  });

  test('verifying an audit log says so when the key of a log cannot be opened', async () => {
    const tenantId = await logOf(TWELVE);
    const others = [new RootKey(randomBytes(32))];
    expect(await faultsOf(tenantId, [], others)).toEqual([
      'The key of the chain does not open: unknown-root. None of its entries can be checked.',
    ]);
  });

  test('verifying an audit log takes nothing for a head that is none', () => {
    const owner = newId('wsp');
    const hash = '0f'.repeat(32);
    expect(parseHead(`${owner}.12.${hash}`)).toEqual({ tenantId: owner, length: 12, hash });
    const texts = [
      '',
      owner,
      `${owner}.12`,
      `${owner}.0.${hash}`,
      `${owner}.-1.${hash}`,
      `${owner}.1.${hash}0`,
    ];
    for (const text of [
      ...texts,
      `${owner}.1.${hash.toUpperCase()}`,
      `wsp_x.1.${hash}`,
      ` ${owner}.1.${hash}`,
    ])
      expect(parseHead(text), text).toBe(null);
  });
});

describe('the command', () => {
  test(
    'prints owner, count and head of every log, and ends with 0 only if nothing is wrong',
    async () => {
      const env = { LATCHKEY_DATA_DIR: await newDataFolder(), LATCHKEY_ROOT_KEY: key.toString('base64') };
      const [team, cutOff, edited] = [newId('tem'), newId('wsp'), newId('wsp')];
      const record = async () => {
        await append(team, { action: 'TEAM_CREATED', actorId, subjectId: team, details: { name: 'All' } });
        for (const tenantId of [cutOff, edited]) for (const event of TWELVE) await append(tenantId, event);
      };
      await inDataFolder(env.LATCHKEY_DATA_DIR, record);
      const shown = (text: string) =>
        text
          .replaceAll(team, '<team>')
          .replaceAll(cutOff, '<one>')
          .replaceAll(edited, '<two>')
          .replaceAll(/[0-9a-f]{64}/g, '<hash>');

      const sound = await runCommand(['audit', 'verify'], env);
      expect(sound).toMatchObject({ exitCode: 0, error: '' });
      expect(shown(sound.out)).toMatchInlineSnapshot(`
        "<team>: 1 entry. Head: <team>.1.<hash>
        <one>: 12 entries. Head: <one>.12.<hash>
        <two>: 12 entries. Head: <two>.12.<hash>
        3 audit logs, 25 entries, all as recorded.
        Entries cut off the end are noticed only with an earlier head: keep these heads where an attacker cannot change them, and pass them with --head."
      `);

      await inDataFolder(env.LATCHKEY_DATA_DIR, async () => {
        await cut({ tenantId: cutOff });
        await edit({ tenantId: edited }, 5, (content) => content.replace('Main', 'Mine'));
      });
      const heads = [...sound.out.matchAll(/Head: (\S+)/g)].flatMap(([, head = '']) => ['--head', head]);
      const found = await runCommand(['audit', 'verify', ...heads], env);
      expect(found).toMatchObject({ exitCode: 1, error: '' });
      expect(shown(found.out)).toMatchInlineSnapshot(`
        "<team>: 1 entry. Head: <team>.1.<hash>
        <one>: 9 entries, not as recorded:
          3 entries after entry 9 are missing: the given head is entry 12.
        <two>: 12 entries, not as recorded:
          Entry 5 is not what was recorded there.
        3 audit logs, 22 entries. Not as recorded: 2 audit logs."
      `);
    },
    PROCESS_TIMEOUT_MS,
  );

  test('the audit command is named by --help', async () => {
    expect((await runCommand(['--help'])).out).toContain('audit verify [--head <head>]');
  });

  test.each([
    [['audit'], /^audit needs: verify\. /],
    [['audit', 'show'], /^audit needs: verify\. /],
    [['audit', 'verify', 'all'], /^"all" is one word too many\. /],
    [['audit', 'verify', '--head', 'wsp_1.2.3'], /^"wsp_1\.2\.3" is not a head as audit verify prints it/],
    [['audit', 'verify', '--head'], /^Option '--head <value>' argument missing/],
  ])(
    'refuses %j with 64',
    async (line, sentence) => {
      expect(await runCommand(line)).toEqual({
        exitCode: 64,
        out: '',
        error: expect.stringMatching(sentence),
      });
    },
    PROCESS_TIMEOUT_MS,
  );
});

function keyEvent(action: 'KEY_ADDED' | 'KEY_REMOVED'): AuditEvent {
  return { action, actorId, subjectId, details: main };
}

function labelled(label: string): AuditEvent {
  return { action: 'KEY_ADDED', actorId, subjectId, details: { ...main, label } };
}

async function append(tenantId: string, event: AuditEvent): Promise<void> {
  await db.transaction((tx) => recordAudit(tx, { rootKeys }, tenantId, event));
}

/** Records these things in the log of a new owner and gives its id. */
async function logOf(events: readonly AuditEvent[]): Promise<string> {
  const tenantId = newId('wsp');
  await db.transaction(async (tx) => {
    for (const event of events) await recordAudit(tx, { rootKeys }, tenantId, event);
  });
  return tenantId;
}

function rowsOf(tenantId: string) {
  return db
    .select()
    .from(auditEntries)
    .where(eq(auditEntries.tenantId, tenantId))
    .orderBy(asc(auditEntries.position));
}

/** What is found wrong with the log of an owner, as the operator reads it. */
async function faultsOf(tenantId: string, heads: string[] = [], opening: readonly RootKey[] = rootKeys) {
  const kept = heads.map((head) => parseHead(head) ?? expect.unreachable());
  const logs = await Array.fromAsync(verifyAudit({ db, rootKeys: opening }, { heads: kept }));
  return logs.filter((log) => log.tenantId === tenantId).flatMap(({ faults }) => faults.map(faultSentence));
}

/** What is found wrong anywhere, and that nothing is with the log of a bystander. */
async function allFaults(heads: string[], bystander: string): Promise<string[]> {
  const kept = heads.map((head) => parseHead(head) ?? expect.unreachable());
  const logs = await Array.fromAsync(verifyAudit({ db, rootKeys }, { heads: kept }));
  expect(logs.find(({ tenantId }) => tenantId === bystander)).toMatchObject({ entries: 12, faults: [] });
  return logs.flatMap(({ faults }) => faults.map(faultSentence));
}

/** The head of a log in which nothing is wrong. */
async function soundHead(tenantId: string): Promise<string> {
  const logs = await Array.fromAsync(verifyAudit({ db, rootKeys }, { heads: [] }));
  const log = logs.find((each) => each.tenantId === tenantId);
  expect(log).toMatchObject({ faults: [], head: { tenantId, length: log?.entries } });
  return formatHead(log?.head ?? expect.unreachable());
}

function lineOf(entry: AuditEntry): string {
  return `${entry.position} ${describeAuditEntry(entry, words)}`;
}

const words = { titleOfProvider: (name: string) => (name === 'OPENAI' ? 'OpenAI' : name), person: 'Grace' };

/** The values that the detail of this name can have, one of those that are texts. */
function valuesOf(name: AuditDetailName): string[] {
  const values: 'text' | Readonly<Record<string, string>> = AUDIT_DETAILS[name];
  if (values !== 'text') return Object.keys(values);
  return [name === 'provider' ? 'OPENAI' : name === 'label' ? 'Main' : name];
}

/** Works on the database of a data folder, as long as no server does. */
async function inDataFolder(dataDir: string, work: () => Promise<void>): Promise<void> {
  const opened = await openDatabase({ databaseUrl: undefined, dataDir });
  db = opened.db;
  try {
    await work();
  } finally {
    db = database.db;
    await opened.close();
  }
}

/** Opening a database in a process of its own takes seconds on a busy machine. */
const PROCESS_TIMEOUT_MS = 60_000;

/** The log of one owner. */
interface Log {
  tenantId: string;
}

function entriesOf({ tenantId }: Log, from: number, to = from) {
  return and(eq(auditEntries.tenantId, tenantId), between(auditEntries.position, from, to));
}

async function entryAt(log: Log, position: number) {
  const [entry] = await db.select().from(auditEntries).where(entriesOf(log, position));
  return entry ?? expect.unreachable();
}

const hashAt = async (log: Log, position: number) => (await entryAt(log, position)).hash;
const contentAt = async (log: Log, position: number) => (await entryAt(log, position)).content;

async function edit(log: Log, position: number, change: (content: string) => string): Promise<void> {
  const before = await contentAt(log, position);
  const content = change(before);
  expect(content).not.toBe(before);
  await db.update(auditEntries).set({ content }).where(entriesOf(log, position));
}

async function setHash(log: Log, position: number, hash: Uint8Array): Promise<void> {
  await db.update(auditEntries).set({ hash }).where(entriesOf(log, position));
}

async function remove(log: Log, from: number, to = from): Promise<void> {
  await db.delete(auditEntries).where(entriesOf(log, from, to));
}

/** In two steps, since no two rows may have one position in between. */
async function move(log: Log, from: number, to: number, by: number): Promise<void> {
  const away = 1_000;
  const position = (change: number) => sql`${auditEntries.position} + ${change}::integer`;
  await db
    .update(auditEntries)
    .set({ position: position(away) })
    .where(entriesOf(log, from, to));
  await db
    .update(auditEntries)
    .set({ position: position(by - away) })
    .where(entriesOf(log, from + away, to + away));
}

async function insert(log: Log, position: number, hash: Uint8Array): Promise<void> {
  const content = (await contentAt(log, 1)).replace('Main', 'Mine');
  await db.insert(auditEntries).values({ ...log, position, content, hash });
}

async function swap(log: Log, one: number, other: number): Promise<void> {
  await move(log, one, one, 100);
  await move(log, other, other, one - other);
  await move(log, one + 100, one + 100, other - one - 100);
}

/** Removes the last three as if they had never been. */
async function cut(log: Log): Promise<void> {
  await remove(log, 10, 12);
  await setChain(log, { length: 9, head: await hashAt(log, 9) });
}

async function setChain({ tenantId }: Log, change: Partial<typeof auditChains.$inferInsert>): Promise<void> {
  await db.update(auditChains).set(change).where(eq(auditChains.tenantId, tenantId));
}

async function dropChain({ tenantId }: Log): Promise<void> {
  await db.delete(auditChains).where(eq(auditChains.tenantId, tenantId));
}
