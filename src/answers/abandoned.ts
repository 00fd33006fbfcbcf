import { and, eq, isNotNull, isNull, or, sql } from 'drizzle-orm';
import type { Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { servers } from '../db/tables/server.ts';
import { answerChunks, messages, threads } from '../db/tables/thread.ts';
import { separateReasoning } from '../providers/wire/bare-think.ts';
import { announcedColumns, announceThread } from '../threads/thread.ts';

/**
 * Ends the answers whose server has ended, or is not known at all: each becomes INTERRUPTED with the text of its last checkpoint.
 * Returns how many there were. An answer whose thread another transaction has locked is left for the next call.
 */
export async function interruptAbandoned({ db, changes }: AbandonedDeps): Promise<number> {
  const abandoned = await db
    .select({
      id: messages.id,
      threadId: messages.threadId,
      provider: messages.provider,
      writerId: messages.writerId,
    })
    .from(messages)
    .leftJoin(servers, eq(servers.id, messages.writerId))
    .where(and(eq(messages.status, 'WRITING'), or(isNull(servers.id), isNotNull(servers.endedAt))));
  let interrupted = 0;
  for (const answer of abandoned) {
    const thread = await db.transaction((tx) => interrupt(tx, answer));
    if (thread === null) continue;
    interrupted += 1;
    announceThread(changes, thread, [answer.id]);
  }
  return interrupted;
}

interface AbandonedDeps {
  db: Database;
  changes: Changes;
}

interface Abandoned {
  id: string;
  threadId: string;
  provider: string | null;
  writerId: string | null;
}

/** Null if another server was faster, or the thread is locked or deleted. */
async function interrupt(
  tx: Pick<Database, 'select' | 'update' | 'delete'>,
  { id, threadId, provider, writerId }: Abandoned,
) {
  // A server that was paused inside a transaction may hold this lock until the database ends its session.
  const [thread] = await tx
    .select(announcedColumns)
    .from(threads)
    .where(eq(threads.id, threadId))
    .for('no key update', { skipLocked: true });
  if (thread === undefined) return null;
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
  const ended = await tx
    .update(messages)
    .set({
      status: 'INTERRUPTED',
      ...separateReasoning(provider, { text: textOf('TEXT'), reasoning: textOf('REASONING') }),
      errorCode: 'INTERRUPTED',
      writerId: null,
      stopAskedAt: null,
    })
    .where(
      and(
        eq(messages.id, id),
        eq(messages.status, 'WRITING'),
        writerId === null ? isNull(messages.writerId) : eq(messages.writerId, writerId),
      ),
    )
    .returning({ id: messages.id });
  if (ended.length === 0) return null;
  await tx.delete(answerChunks).where(eq(answerChunks.messageId, id));
  // Clients that reconnect compare the revision to know whether to fetch again.
  await tx
    .update(threads)
    .set({ revision: sql`${threads.revision} + 1` })
    .where(eq(threads.id, threadId));
  return thread;
}
