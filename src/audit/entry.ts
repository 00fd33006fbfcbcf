import { and, eq } from 'drizzle-orm';
import { z } from 'zod';
import type { Database } from '../db/database.ts';
import { prefixOf } from '../db/id.ts';
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
  /** Its place in the log of its tenant, from 1. */
  position: number;
  /** UNREADABLE for an entry that this version of the server cannot have written; then everything below is empty. */
  action: AuditAction | 'UNREADABLE';
  at: Date | null;
  actorId: string | null;
  subjectId: string | null;
  details: Readonly<Record<string, string>>;
}

/** The audit log of a workspace or team, newest first. The caller makes sure that the viewer may read it. */
export async function listAuditEntries(
  { db }: { db: Pick<Database, 'select'> },
  tenantId: string,
  page: PageInput,
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
        .where(and(eq(auditEntries.tenantId, tenantId), ...conditions))
        .orderBy(orderBy)
        .limit(limit);
      return rows.map(({ position, content }) => ({ position, ...readContent(content) }));
    },
  });
}

/** What was done, as a sentence. `person` is the name of the user it was done to, null if unknown. */
export function describeAuditEntry(
  { action, details }: AuditEntry,
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
  return words === 'text' || !Object.hasOwn(words, value) ? value : (words[value] ?? value);
}

const UNKNOWN = '…';

/** Never throws, so that one row that was written by hand leaves the rest of the log readable. */
function readContent(content: string): Omit<AuditEntry, 'position'> {
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
