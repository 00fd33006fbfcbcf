import { and, eq, sql } from 'drizzle-orm';
import type { AnswerErrorCode } from '../answer-error.ts';
import type { Bus } from '../bus/bus.ts';
import type { Database } from '../db/database.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { answerChunks, messages, threads } from '../db/tables/thread.ts';
import { users } from '../db/tables/user.ts';
import { workspaceMembers } from '../db/tables/workspace.ts';
import type { ServerLease } from '../fleet/lease.ts';
import { failureName, log } from '../log.ts';
import { mayDo } from '../workspaces/permissions.ts';
import { type EndDeps, endAnswer } from './end-answer.ts';
import type { Ending, LiveAnswer, UnsavedChunk } from './live-answer.ts';

/**
 * The heartbeat of this server: every half second one statement renews its lease, saves the new text of its answers and reads
 * what changed about them. It runs without new text too, so that a removed key or member also stops an answer that is silent.
 * Returns a function that ends it.
 */
export function startCheckpoints(
  deps: CheckpointDeps,
  { beatMs, renewMs, giveUpMs }: HeartbeatTimes,
): () => Promise<void> {
  const { running, lease, bus } = deps;
  function beat(): void {
    // A slow database gets fewer and larger checkpoints, never two at once.
    running.checkpoint ??= checkpoint(deps).finally(() => {
      running.checkpoint = undefined;
      lease.beatEnded();
    });
  }
  const timer = setInterval(() => {
    if (running.begun().length > 0 || lease.ageMs >= renewMs) beat();
    // A server that has lost the database may show its answers to no reader, and their provider calls cost money.
    if (lease.ageMs >= giveUpMs) interruptAnswers(deps, lease.serverId);
  }, beatMs);
  // The row says whether the answer is to be stopped: a record only makes it be read sooner.
  bus.listen({
    onRecord(_from, record) {
      if (record[0] === 'taken') interruptAnswers(deps, record[1]);
      if (record[0] === 'taken' || record[0] === 'stop') beat();
    },
  });
  return async () => {
    clearInterval(timer);
    await running.checkpoint;
  };
}

interface HeartbeatTimes {
  /** Between two heartbeats. */
  beatMs: number;
  /** How old the lease may be while no answer is written. */
  renewMs: number;
  /** How old the lease may be until the answers are given up: others have ended it long since. */
  giveUpMs: number;
}

export interface CheckpointDeps extends EndDeps {
  /** A connection of its own: a lease that waited behind the work of requests could run out. */
  heartbeatDb: Database;
  lease: ServerLease;
  bus: Bus;
  /** Called when another server has ended the lease, after the answers were given up. */
  onLeaseLost(): Promise<void>;
  /** Registers an ending that is being saved, so that a shutdown waits for it. */
  track(work: Promise<void>): void;
}

async function checkpoint(deps: CheckpointDeps): Promise<void> {
  const { lease, running } = deps;
  const live = running.begun().filter((answer) => !answer.isEnding && answer.writerId === lease.serverId);
  const apiKeyIds = new Map(live.map((answer) => [answer, answer.apiKeyId]));
  const chunks = live.flatMap((answer) => answer.unsaved());
  const sentAtMs = performance.now();
  try {
    const states = await saveAndRenewLease(deps, live, chunks);
    if (states === null) {
      interruptAnswers(deps, lease.serverId);
      return await deps.onLeaseLost();
    }
    lease.renewed(sentAtMs);
    for (const chunk of chunks)
      if (states.get(chunk.messageId)?.isSaved) running.get(chunk.messageId)?.saved(chunk);
    for (const [answer, apiKeyId] of apiKeyIds) endIfChanged(deps, answer, apiKeyId, states.get(answer.id));
  } catch (error) {
    // The text stays in memory and is saved by a later heartbeat.
    log.warn({ answers: live.length, failure: failureName(error) }, 'a checkpoint could not be saved');
  }
}

/** What a heartbeat finds of an answer in the database. One that is not found was deleted, or is not written by this server. */
interface AnswerState {
  /** False if another transaction had locked the row; the next heartbeat retries. */
  isSaved: boolean;
  isKeyUsable: boolean;
  /** Whether its author may still chat in the thread. */
  isPermitted: boolean;
  isStopAsked: boolean;
}

/** One statement, so that text is saved only under a lease that still holds. Null if another server has ended the lease. */
async function saveAndRenewLease(
  { heartbeatDb: db, lease }: Pick<CheckpointDeps, 'heartbeatDb' | 'lease'>,
  live: readonly LiveAnswer[],
  chunks: readonly UnsavedChunk[],
): Promise<Map<string, AnswerState> | null> {
  const renewed = lease.renewal();
  const isOurs = (ids: readonly string[]) =>
    and(eq(messages.status, 'WRITING'), eq(messages.writerId, lease.serverId), isOneOf(messages.id, ids));
  // The statement locks many rows and skips locked ones: deleting a thread locks many too, in another order, and one locked row
  // must not delay the text of all answers.
  const free = db.$with('free').as(
    db
      .select({ id: messages.id })
      .from(messages)
      .where(
        and(
          isOurs([...new Set(chunks.map(({ messageId }) => messageId))]),
          sql`exists (select from ${renewed})`,
        ),
      )
      .for('key share', { skipLocked: true }),
  );
  // The same chunk may be saved twice, when the reply to the first commit was lost; the later one may be longer.
  const saved = db.$with('saved', { messageId: answerChunks.messageId }).as(
    sql`insert into ${answerChunks} (message_id, part, from_offset, text)
      select chunk."messageId", chunk.part, chunk."fromOffset", chunk.text
      from jsonb_to_recordset(${JSON.stringify(chunks)}::text::jsonb)
        as chunk("messageId" text, part text, "fromOffset" integer, text text)
      join free on free.id = chunk."messageId"
      on conflict (message_id, part, from_offset) do update set text = excluded.text
      returning message_id`,
  );
  const rows = await db
    .with(renewed, free, saved)
    .select({
      id: messages.id,
      freeId: free.id,
      stopAskedAt: messages.stopAskedAt,
      isKeyEnabled: apiKeys.isEnabled,
      role: workspaceMembers.role,
      disabledAt: users.disabledAt,
      seesThread: sql<boolean>`${threads.visibility} = 'WORKSPACE' or ${threads.createdBy} is not distinct from ${messages.authorId}`,
    })
    .from(renewed)
    .leftJoin(messages, isOurs(live.map(({ id }) => id)))
    .leftJoin(free, eq(free.id, messages.id))
    .leftJoin(threads, eq(threads.id, messages.threadId))
    .leftJoin(apiKeys, eq(apiKeys.id, messages.apiKeyId))
    .leftJoin(users, eq(users.id, messages.authorId))
    .leftJoin(
      workspaceMembers,
      and(
        eq(workspaceMembers.workspaceId, threads.workspaceId),
        eq(workspaceMembers.userId, messages.authorId),
      ),
    );
  if (rows.length === 0) return null;
  return new Map(
    rows.flatMap(({ id, freeId, stopAskedAt, isKeyEnabled, role, disabledAt, seesThread }) => {
      if (id === null) return [];
      const state = {
        isSaved: freeId !== null,
        isKeyUsable: isKeyEnabled === true,
        isPermitted: role !== null && disabledAt === null && mayDo(role, 'chat') && seesThread,
        isStopAsked: stopAskedAt !== null,
      };
      return [[id, state] as const];
    }),
  );
}

/**
 * `apiKeyId` is the key that paid when the heartbeat was sent. An ending is not awaited: one that cannot be saved yet must not
 * delay the other answers.
 */
function endIfChanged(
  deps: CheckpointDeps,
  live: LiveAnswer,
  apiKeyId: string | null,
  state: AnswerState | undefined,
): void {
  const ending = endingFor(state);
  if (ending === null || live.isEnding) return;
  if (ending !== KEY_LOST || live.hasOutput) deps.track(endAnswer(deps, live, ending).then(() => {}));
  // The key may have changed since the heartbeat was sent: then it says nothing about the present one.
  else if (live.apiKeyId === apiKeyId) live.loseKey();
}

function endingFor(state: AnswerState | undefined): Ending | null {
  // An answer without a row, or with another writer, is not ours to write any more; saving its end handles both.
  if (state === undefined) return failed('INTERRUPTED');
  if (!state.isPermitted) return failed('NOT_PERMITTED');
  if (state.isStopAsked) return { type: 'finished', status: 'STOPPED' };
  return state.isKeyUsable ? null : KEY_LOST;
}

function failed(code: AnswerErrorCode): Ending {
  return { type: 'failed', status: 'FAILED', code, retryAt: null };
}

const KEY_LOST = failed('KEY_REMOVED');

/**
 * Gives up the answers that were begun under a lease that has run out, as that of a server does that was paused. Another server
 * ends them: here their provider calls are aborted, and their readers get what that server saves.
 */
function interruptAnswers(deps: CheckpointDeps, serverId: string): void {
  const begun = deps.running.all().filter(({ writerId, isEnding }) => writerId === serverId && !isEnding);
  for (const live of begun) deps.track(endAnswer(deps, live, INTERRUPTED).then(() => {}));
}

const INTERRUPTED = { type: 'failed', status: 'INTERRUPTED', code: 'INTERRUPTED', retryAt: null } as const;
