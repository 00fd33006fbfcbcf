import { and, asc, inArray, isNull, or, type SQL, type SQLWrapper, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { fromJson } from '../db/json-rows.ts';
import type { Given } from '../db/prepared.ts';
import { messages } from '../db/tables/thread.ts';
import { ConflictError } from '../errors.ts';
import type { Message } from './message.ts';

/** Id of the message that siblings reply to; that of the thread for first messages. */
export function siblingKey({ threadId, parentId }: Pick<Message, 'threadId' | 'parentId'>): string {
  return parentId ?? threadId;
}

/** The ids of all siblings for each of these keys, oldest first. */
export async function readSiblingIds(
  { db }: { db: Database },
  keys: readonly string[],
): Promise<Map<string, string[]>> {
  const rows = await db
    .select({ id: messages.id, threadId: messages.threadId, parentId: messages.parentId })
    .from(messages)
    .where(
      or(
        inArray(messages.parentId, idsOf('msg', keys)),
        and(inArray(messages.threadId, idsOf('thr', keys)), isNull(messages.parentId)),
      ),
    )
    .orderBy(asc(messages.position));
  return new Map(
    Map.groupBy(rows, siblingKey)
      .entries()
      .map(([key, siblings]) => [key, siblings.map(({ id }) => id)]),
  );
}

/** The ids of all messages that reply to a parent, oldest first, as a column; with a null parent, all first messages. */
export function siblingIdsColumn(threadId: Given, parentId: SQLWrapper): SQL<string[]> {
  const ids = sql`coalesce(array_agg(id order by position), '{}')`;
  return sql`(case when ${parentId} is null
    then (select array_to_json(${ids}) from ${messages} where thread_id = ${threadId} and parent_id is null)
    else (select array_to_json(${ids}) from ${messages} where parent_id = ${parentId}) end)::text`.mapWith(
    (text) => fromJson<string[]>(text),
  );
}

/** Throws ConflictError if one more reply to this parent would be too many. */
export function requireSiblingLimit(parentId: string | null, siblings: number): void {
  if (siblings < MAX_SIBLINGS) return;
  throw new ConflictError(
    parentId === null
      ? `This thread has ${MAX_SIBLINGS} first messages, which is the most. Reply to one of them, or begin a new thread.`
      : `There are ${MAX_SIBLINGS} replies to this message, which is the most. Reply to another message.`,
  );
}

/** The largest page of most lists, so that a list of all siblings stays as short. */
export const MAX_SIBLINGS = 100;
