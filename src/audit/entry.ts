import { and, eq, or, type SQL, sql } from 'drizzle-orm';
import { z } from 'zod';
import type { Database } from '../db/database.ts';
import { auditEntryIdOf, idsOf, prefixOf, readAuditEntryId } from '../db/id.ts';
import { type Page, type PageInput, readPage } from '../db/page.ts';
import { auditEntries } from '../db/tables/audit.ts';
import {
  AUDIT_ACTIONS,
  AUDIT_DETAILS,
  type AuditAction,
  type AuditActionFacts,
  type AuditDetailName,
} from './action.ts';

/** One recorded action on a workspace or team. Its hash has not been checked: `verifyAudit` does that. */
export interface AuditEntry {
  /** Made of the id of its tenant and its place. */
  id: string;
  /** Its place in the log of its tenant, from 1. */
  position: number;
  /** UNREADABLE for an entry that this version of the server cannot have written; then everything below is empty. */
  action: AuditAction | 'UNREADABLE';
  at: Date | null;
  actorId: string | null;
  subjectId: string | null;
  details: Readonly<Record<string, string>>;
}

/** Which entries of a log are wanted; those that meet all that is given. */
export interface AuditFilter {
  actions?: readonly AuditEntry['action'][] | null | undefined;
  actorId?: string | null | undefined;
  /** The first moment that is wanted. */
  from?: Date | null | undefined;
  /** The first moment after it that is not. */
  to?: Date | null | undefined;
}

/** The audit log of a workspace or team, newest first. The caller makes sure that the viewer may read it. */
export async function listAuditEntries(
  { db }: { db: Pick<Database, 'select'> },
  tenantId: string,
  page: PageInput,
  filter: AuditFilter = {},
): Promise<Page<AuditEntry>> {
  return await readPage<AuditEntry>(page, {
    column: auditEntries.position,
    order: 'descending',
    maxRows: 100,
    valueOf: ({ position }) => position,
    read: async (conditions, orderBy, limit) => {
      const rows = await db
        .select({ position: auditEntries.position, content: auditEntries.content })
        .from(auditEntries)
        .where(and(eq(auditEntries.tenantId, tenantId), meets(filter), ...conditions))
        .orderBy(orderBy)
        .limit(limit);
      return rows.map((row) => toEntry({ tenantId, ...row }));
    },
  });
}

/** The entries with these ids. The caller authorises the viewer for the logs that they are in. */
export async function findAuditEntries(
  { db }: { db: Pick<Database, 'select'> },
  ids: readonly string[],
): Promise<AuditEntry[]> {
  const named = ids.map(readAuditEntryId).filter((names) => names !== undefined);
  if (named.length === 0) return [];
  const rows = await db
    .select({
      tenantId: auditEntries.tenantId,
      position: auditEntries.position,
      content: auditEntries.content,
    })
    .from(auditEntries)
    .where(
      or(
        ...named.map(({ tenantId, position }) =>
          and(eq(auditEntries.tenantId, tenantId), eq(auditEntries.position, position)),
        ),
      ),
    );
  return rows.map(toEntry);
}

function toEntry(row: { tenantId: string; position: number; content: string }): AuditEntry {
  const { tenantId, position, content } = row;
  return { id: auditEntryIdOf(tenantId, position), position, ...readContent(content) };
}

/**
 * The filter as a condition on the text of an entry, which may be anything if it was changed by hand: a cast to JSON could
 * fail, a pattern cannot. The log is read from its newest entry on, and only as far as it takes to fill a page.
 */
function meets({ actions, actorId, from, to }: AuditFilter): SQL | undefined {
  const isByTextAlone = actorId == null && from == null && to == null;
  if (actions == null && isByTextAlone) return undefined;
  const { content } = auditEntries;
  const wanted = KNOWN_ACTIONS.filter((action) => actions?.some((each) => each === action) ?? true);
  const actors = actorId == null ? [ANY_ACTOR] : idsOf('usr', [actorId]).map((id) => `"${id}"`);
  const hasAny = wanted.length > 0 && actors.length > 0;
  const at = sql`substring(${content} from 8 for 24) collate "C"`; // after `{"at":"`
  const isWanted = and(
    hasAny ? sql`${content} ~ ${patternOf(wanted, actors)}` : sql`false`,
    from == null ? undefined : sql`${at} >= ${from.toISOString()}`,
    to == null ? undefined : sql`${at} < ${to.toISOString()}`,
  );
  if (!isByTextAlone || !actions?.includes('UNREADABLE')) return isWanted;
  return or(isWanted, sql`${content} !~ ${patternOf(KNOWN_ACTIONS, [ANY_ACTOR])}`);
}

/** The text that `recordAudit` writes, with one of these actions and actors, as a regular expression of PostgreSQL. */
function patternOf(actions: readonly string[], actors: readonly string[]): string {
  const time = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z';
  const detail = '"\\w+":"([^"\\\\]|\\\\.)*"';
  const head = `\\{"at":"${time}","action":"(${actions.join('|')})","actorId":(${actors.join('|')})`;
  return `^${head},"subjectId":(${ANY_ACTOR}),"details":\\{(${detail}(,${detail})*)?\\}\\}$`;
}

const KNOWN_ACTIONS = Object.keys(AUDIT_ACTIONS);
const ANY_ACTOR = 'null|"[a-z]{3}_[0-9a-z]{26}"';

/** What was done, as a sentence. `person` is the name of the user it was done to, null if unknown. */
export function describeAuditEntry(
  { action, details }: Pick<AuditEntry, 'action' | 'details'>,
  words: { titleOfProvider: (name: string) => string; person: string | null },
): string {
  if (action === 'UNREADABLE') return 'This entry cannot be read.';
  const facts: AuditActionFacts = AUDIT_ACTIONS[action];
  const values = new Map<string, string>(facts.details.map((name) => [name, wordFor(name, details[name])]));
  const provider = details.provider;
  if (provider !== undefined) values.set('provider', words.titleOfProvider(provider));
  values.set('person', words.person ?? 'a person');
  return facts.sentence.replace(/\{(\w+)\}/g, (_place, name: string) => values.get(name) ?? UNKNOWN);
}

function wordFor(name: AuditDetailName, value = UNKNOWN): string {
  const words: 'text' | Readonly<Record<string, string>> = AUDIT_DETAILS[name];
  if (value === '') return NOTHING;
  return words === 'text' || !Object.hasOwn(words, value) ? value : (words[value] ?? value);
}

const UNKNOWN = '…';
const NOTHING = 'none';

/** Never throws, so that one row that was written by hand leaves the rest of the log readable. */
function readContent(content: string): Omit<AuditEntry, 'id' | 'position'> {
  try {
    return Content.parse(JSON.parse(content));
  } catch {
    return { action: 'UNREADABLE', at: null, actorId: null, subjectId: null, details: {} };
  }
}

/** An id with a known prefix. Ids are looked up in the database, which refuses some texts. */
const id = z.string().refine((text) => prefixOf(text) !== undefined);

const Content = z.object({
  at: z.iso.datetime().transform((text) => new Date(text)),
  action: z.string().refine((name): name is AuditAction => Object.hasOwn(AUDIT_ACTIONS, name)),
  actorId: id.nullable(),
  subjectId: id.nullable(),
  details: z.record(z.string(), z.string()),
});
