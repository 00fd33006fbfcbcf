import { eq, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { answerChunks, messages, threads } from '../db/tables/thread.ts';
import { separateReasoning } from '../providers/wire/bare-think.ts';

/**
 * Ends the answers that an earlier process of this server left as being written: each becomes INTERRUPTED with the text of its
 * last checkpoint. Runs before the server accepts requests, so none has a writer. Returns how many there were.
 */
export async function recoverAnswers({ db }: { db: Database }): Promise<number> {
  const left = await db
    .select({ id: messages.id, threadId: messages.threadId, provider: messages.provider })
    .from(messages)
    .where(eq(messages.status, 'WRITING'));
  for (const { id, threadId, provider } of left) {
    await db.transaction(async (tx) => {
      // Clients that reconnect compare the revision to know whether to fetch again.
      await tx
        .update(threads)
        .set({ revision: sql`${threads.revision} + 1` })
        .where(eq(threads.id, threadId));
      const chunks = await tx
        .select()
        .from(answerChunks)
        .where(eq(answerChunks.messageId, id))
        .orderBy(answerChunks.fromOffset);
      const textOf = (part: 'TEXT' | 'REASONING') =>
        chunks
          .filter((chunk) => chunk.part === part)
          .map((chunk) => chunk.text)
          .join('');
      await tx
        .update(messages)
        .set({
          status: 'INTERRUPTED',
          ...separateReasoning(provider, { text: textOf('TEXT'), reasoning: textOf('REASONING') }),
          errorCode: 'INTERRUPTED',
          writerId: null,
          leaseUntil: null,
        })
        .where(eq(messages.id, id));
      await tx.delete(answerChunks).where(eq(answerChunks.messageId, id));
    });
  }
  return left.length;
}
