import { eq, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { threads } from '../db/tables/thread.ts';
import { NotFoundError } from '../errors.ts';
import { requireThread, type Thread } from './thread.ts';

/**
 * Reserves so many positions at the end of a thread, and gives the thread as it is then. Its row is locked from then on,
 * and the viewer's right to write there is read under that lock: a viewer who lost it meanwhile writes nothing, even after waiting for
 * others in the thread. Throws NotFoundError or NotPermittedError.
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
      // A transaction that began earlier may come later: time never goes back.
      lastMessageAt: sql`greatest(${threads.lastMessageAt}, now())`,
    })
    .where(eq(threads.id, id))
    .returning({ lastPosition: threads.lastPosition });
  if (counted === undefined) throw new NotFoundError('thread');
  const thread = await requireThread({ db: tx }, viewer, id, 'chat');
  return { thread, firstPosition: counted.lastPosition - count + 1 };
}
