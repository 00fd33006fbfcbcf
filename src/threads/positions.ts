import { eq, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { threads } from '../db/tables/thread.ts';
import { NotFoundError } from '../errors.ts';
import { requireThread, type Thread } from './thread.ts';

/**
 * Reserves `count` positions at the end of a thread and returns the thread. The update locks its row, and the viewer's role is
 * read under that lock, so a viewer who lost the right while waiting for it writes nothing. Throws NotFoundError or NotPermittedError.
 */
export async function reservePositions(
  tx: Database,
  viewer: Viewer,
  id: string,
  count: number,
): Promise<{ thread: Thread; firstPosition: number }> {
  const [counted] = await tx
    .update(threads)
    .set({
      revision: sql`${threads.revision} + 1`,
      lastPosition: sql`${threads.lastPosition} + ${count}`,
      // `now()` is the start of the transaction, which may be earlier than that of one committed before.
      lastMessageAt: sql`greatest(${threads.lastMessageAt}, now())`,
    })
    .where(eq(threads.id, id))
    .returning({ lastPosition: threads.lastPosition });
  if (counted === undefined) throw new NotFoundError('thread');
  const thread = await requireThread({ db: tx }, viewer, id, 'chat');
  return { thread, firstPosition: counted.lastPosition - count + 1 };
}
