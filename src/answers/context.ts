import { and, eq, inArray, ne } from 'drizzle-orm';
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
  // The shape of the thread is small; the texts are fetched only for the chain.
  const shape = await db
    .select({ id: messages.id, parentId: messages.parentId })
    .from(messages)
    .where(eq(messages.threadId, threadId));
  if (!shape.some((message) => message.id === messageId)) throw new NotFoundError('message');
  const parents = new Map(shape.map((message) => [message.id, message.parentId]));
  const chain: string[] = [];
  for (let id: string | null | undefined = messageId; id != null && !chain.includes(id); id = parents.get(id))
    chain.push(id);

  const rows = await db
    .select({ id: messages.id, role: messages.role, status: messages.status, text: messages.text })
    .from(messages)
    .where(and(inArray(messages.id, chain), ne(messages.text, '')));
  const byId = new Map(rows.map((row) => [row.id, row]));
  return chain.reverse().flatMap((id): Turn[] => {
    const row = byId.get(id);
    if (row === undefined || row.status === 'FAILED' || row.status === 'WRITING') return [];
    return [{ role: row.role === 'USER' ? 'user' : 'assistant', text: row.text }];
  });
}
