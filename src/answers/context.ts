import { asc, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { messages } from '../db/tables/thread.ts';
import { NotFoundError } from '../errors.ts';
import type { Turn } from '../providers/provider.ts';

/**
 * The conversation that leads to a message, oldest first and itself included: the chain of its parents. Answers that failed
 * or are empty are left out; so is an answer that is still being written. Throws NotFoundError if the message is gone.
 */
export async function conversationTo(
  db: Pick<Database, 'select'>,
  threadId: string,
  messageId: string,
): Promise<Turn[]> {
  const rows = await db
    .select({ role: messages.role, status: messages.status, text: messages.text })
    .from(messages)
    .where(
      sql`${messages.id} in (
        with recursive chain as (
          select id, parent_id from ${messages} where id = ${messageId} and thread_id = ${threadId}
          union
          select parent.id, parent.parent_id from ${messages} as parent join chain on parent.id = chain.parent_id
        )
        select id from chain)`,
    )
    .orderBy(asc(messages.position));
  if (rows.length === 0) throw new NotFoundError('message');
  return rows.flatMap(({ role, status, text }): Turn[] => {
    if (text === '' || status === 'FAILED' || status === 'WRITING') return [];
    return [{ role: role === 'USER' ? 'user' : 'assistant', text }];
  });
}
