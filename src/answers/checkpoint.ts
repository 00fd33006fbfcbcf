import { and, eq, inArray, sql } from 'drizzle-orm';
import type { AnswerErrorCode } from '../answer-error.ts';
import type { Database } from '../db/database.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { answerChunks, messages, threads } from '../db/tables/thread.ts';
import { users } from '../db/tables/user.ts';
import { workspaceMembers } from '../db/tables/workspace.ts';
import { failureName, log } from '../log.ts';
import { mayDo } from '../workspaces/permissions.ts';
import { type EndDeps, endAnswer } from './end-answer.ts';
import type { Ending, LiveAnswer, UnsavedChunk } from './live-answer.ts';

/**
 * The heartbeat of all answers this process writes: every half second one statement saves their new text, renews their
 * leases and reads their current rights. It runs without new text too, so that a removed key or member also stops an answer
 * that is silent. Returns a function that ends it.
 */
export function startCheckpoints(deps: CheckpointDeps): () => Promise<void> {
  const { running } = deps;
  const timer = setInterval(() => {
    // A slow database gets fewer and larger checkpoints, never two at once.
    running.checkpoint ??= checkpoint(deps).finally(() => {
      running.checkpoint = undefined;
    });
  }, CHECKPOINT_MS);
  return async () => {
    clearInterval(timer);
    await running.checkpoint;
  };
}

export interface CheckpointDeps extends EndDeps {
  writerId: string;
  /** Registers an ending that is being saved, so that a shutdown waits for it. */
  track(work: Promise<void>): void;
}

async function checkpoint(deps: CheckpointDeps): Promise<void> {
  const live = deps.running.begun();
  if (live.length === 0) return;
  const chunks = live.flatMap((answer) => answer.unsaved());
  try {
    const leases = await saveAndRenewLeases(deps, live, chunks);
    for (const chunk of chunks)
      if (leases.get(chunk.messageId)?.isSaved) deps.running.get(chunk.messageId)?.saved(chunk);
    for (const answer of live) endIfRevoked(deps, answer, leases.get(answer.id));
  } catch (error) {
    // The text stays in memory and is saved by a later heartbeat.
    log.warn({ answers: live.length, failure: failureName(error) }, 'a checkpoint could not be saved');
  }
}

/** State of an answer's lease in the database. An answer without one was deleted, or has another writer or fence. */
interface LeaseState {
  /** False if another transaction had locked the row; the next heartbeat retries. */
  isSaved: boolean;
  isKeyUsable: boolean;
  /** Whether its author may still chat in the thread. */
  isPermitted: boolean;
}

/** One statement, so that text is saved only under a lease that still holds. */
async function saveAndRenewLeases(
  { db, writerId }: { db: Database; writerId: string },
  live: readonly LiveAnswer[],
  chunks: readonly UnsavedChunk[],
): Promise<Map<string, LeaseState>> {
  const writing = JSON.stringify(live.map(({ id, fence }) => ({ id, fence })));
  const isOurs = and(
    eq(messages.status, 'WRITING'),
    eq(messages.writerId, writerId),
    sql`(${messages.id}, ${messages.fence}) in (
      select id, fence from jsonb_to_recordset(${writing}::text::jsonb) as writing(id text, fence integer))`,
  );
  // The statement locks many rows and skips locked ones: removing a key or a thread locks many too, in another order, and one
  // locked row must not delay the text of all answers.
  const free = db
    .$with('free')
    .as(
      db.select({ id: messages.id }).from(messages).where(isOurs).for('no key update', { skipLocked: true }),
    );
  const renewed = db.$with('renewed').as(
    db
      .update(messages)
      .set({ leaseUntil: leaseFromNow() })
      .where(inArray(messages.id, sql`(select id from ${free})`))
      .returning({ id: messages.id }),
  );
  // The same chunk may be saved twice, when the reply to the first commit was lost; the later one may be longer.
  const saved = db.$with('saved', { messageId: answerChunks.messageId }).as(
    sql`insert into ${answerChunks} (message_id, part, from_offset, text)
      select chunk."messageId", chunk.part, chunk."fromOffset", chunk.text
      from jsonb_to_recordset(${JSON.stringify(chunks)}::text::jsonb)
        as chunk("messageId" text, part text, "fromOffset" integer, text text)
      join renewed on renewed.id = chunk."messageId"
      on conflict (message_id, part, from_offset) do update set text = excluded.text
      returning message_id`,
  );
  const rows = await db
    .with(free, renewed, saved)
    .select({
      id: messages.id,
      renewedId: renewed.id,
      isKeyEnabled: apiKeys.isEnabled,
      role: workspaceMembers.role,
      disabledAt: users.disabledAt,
      seesThread: sql<boolean>`${threads.visibility} = 'WORKSPACE' or ${threads.createdBy} is not distinct from ${messages.authorId}`,
    })
    .from(messages)
    .leftJoin(renewed, eq(renewed.id, messages.id))
    .innerJoin(threads, eq(threads.id, messages.threadId))
    .leftJoin(apiKeys, eq(apiKeys.id, messages.apiKeyId))
    .leftJoin(users, eq(users.id, messages.authorId))
    .leftJoin(
      workspaceMembers,
      and(
        eq(workspaceMembers.workspaceId, threads.workspaceId),
        eq(workspaceMembers.userId, messages.authorId),
      ),
    )
    .where(isOurs);
  return new Map(
    rows.map(({ id, renewedId, isKeyEnabled, role, disabledAt, seesThread }) => [
      id,
      {
        isSaved: renewedId !== null,
        isKeyUsable: isKeyEnabled === true,
        isPermitted: role !== null && disabledAt === null && mayDo(role, 'chat') && seesThread,
      },
    ]),
  );
}

/** Not awaited by the heartbeat: an ending that cannot be saved yet must not delay the other answers. */
function endIfRevoked(deps: CheckpointDeps, live: LiveAnswer, lease: LeaseState | undefined): void {
  if (live.isEnding || (lease?.isPermitted && lease.isKeyUsable)) return;
  const ending: Ending = { type: 'failed', status: 'FAILED', code: codeFor(lease), retryAt: null };
  deps.track(endAnswer(deps, live, ending).then(() => {}));
}

function codeFor(lease: LeaseState | undefined): AnswerErrorCode {
  // An answer without a row, or with another writer, is not ours to write any more; saving its end handles both.
  if (lease === undefined) return 'INTERRUPTED';
  return lease.isPermitted ? 'KEY_REMOVED' : 'NOT_PERMITTED';
}

/** Expiry of a lease that is renewed now, by the database's clock. */
export function leaseFromNow() {
  return sql`now() + interval '15 seconds'`;
}

const CHECKPOINT_MS = 500; // what a crash may lose
