import { and, asc, count, eq, inArray, isNull, or } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
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

/**
 * Throws ConflictError for one sibling too many. To be called after the new one was inserted, in its transaction, while the
 * thread's row is locked.
 */
export async function requireSiblingLimit(
  tx: Database,
  { threadId, parentId }: Pick<Message, 'threadId' | 'parentId'>,
): Promise<void> {
  const [row] = await tx
    .select({ siblings: count() })
    .from(messages)
    .where(
      parentId === null
        ? and(eq(messages.threadId, threadId), isNull(messages.parentId))
        : eq(messages.parentId, parentId),
    );
  if ((row?.siblings ?? 0) <= MAX_SIBLINGS) return;
  throw new ConflictError(
    parentId === null
      ? `This thread has ${MAX_SIBLINGS} first messages, which is the most. Reply to one of them, or begin a new thread.`
      : `There are ${MAX_SIBLINGS} replies to this message, which is the most. Reply to another message.`,
  );
}

/** The largest page of most lists, so that a list of all siblings stays as short. */
const MAX_SIBLINGS = 100;
