import { setTimeout as sleep } from 'node:timers/promises';
import { and, eq, sql } from 'drizzle-orm';
import type { Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { placeholders, prepared } from '../db/prepared.ts';
import { servers } from '../db/tables/server.ts';
import { answerChunks, messages, threads } from '../db/tables/thread.ts';
import { failureName, log } from '../log.ts';
import { sanitizeText } from '../providers/wire/clean-facts.ts';
import { type Message, messageColumns } from '../threads/message.ts';
import { announcedColumns, announceThread } from '../threads/thread.ts';
import type { Ending, LiveAnswer, SeenUsage } from './live-answer.ts';
import type { RunningAnswers } from './running.ts';

export interface EndDeps {
  db: Database;
  changes: Changes;
  running: RunningAnswers;
}

/**
 * The one way an answer ends. The first ending wins in memory, is saved, and only then published; later ones do nothing.
 * Resolves, for every caller, with the saved message once the end is published; null if the answer was deleted meanwhile,
 * or could not be saved before a shutdown.
 */
export async function endAnswer(deps: EndDeps, live: LiveAnswer, ending: Ending): Promise<Message | null> {
  if (!live.claimEnding()) return await live.ended;
  const message = await saveUntilSaved(deps, live, ending);
  logEnd(live, message?.row ?? null);
  deps.running.remove(live);
  live.publishEnd(message?.row ?? null);
  if (message !== null) announceThread(deps.changes, message.thread, [live.id]);
  return message?.row ?? null;
}

/** Drops an answer that has no row, since its transaction wrote nothing. */
export function discardAnswer({ running }: Pick<EndDeps, 'running'>, live: LiveAnswer): void {
  live.claimEnding();
  running.remove(live);
  live.publishEnd(null);
}

/** `row` is null if the answer was deleted meanwhile, or could not be saved before a shutdown. */
function logEnd(live: LiveAnswer, row: Message | null): void {
  const ms = Math.round(performance.now() - live.startedAtMs);
  const names = { answerId: live.id, provider: row?.provider, apiKeyId: row?.apiKeyId };
  const end = { status: row?.status ?? 'GONE', code: row?.errorCode ?? undefined };
  log[end.code === undefined ? 'info' : 'warn']({ ...names, ...end, ms }, 'an answer ended');
}

/**
 * Retries while the database is away, since the text is safe in memory. Not during a shutdown: the next start then makes the
 * answer INTERRUPTED with the text of its last checkpoint.
 */
async function saveUntilSaved(deps: EndDeps, live: LiveAnswer, ending: Ending) {
  let toSave: ToSave = { ...live.final, ending };
  for (let delayMs = FIRST_RETRY_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_RETRY_MS)) {
    try {
      return await save(deps, live, toSave);
    } catch (error) {
      if (!(error instanceof NotOursError))
        log.error(
          { answerId: live.id, failure: failureName(error) },
          'the end of an answer could not be saved',
        );
      // A retry with the same data would be refused again, so only the text is kept, which matters most.
      if (isRefused(error))
        toSave = { ...toSave, citations: [], usage: undefined, kept: null, ending: UNSAVABLE };
      if (deps.running.isClosed) return null;
      await sleep(delayMs, undefined, { signal: deps.running.closing }).catch(() => {});
    }
  }
}

type ToSave = LiveAnswer['final'] & { ending: Ending };

const UNSAVABLE: Ending = { type: 'failed', status: 'FAILED', code: 'PROVIDER_ERROR', retryAt: null };

/** Whether the database refused the data itself (SQLSTATE classes 22 and 54), and is neither away nor busy. */
function isRefused(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && /^(22|54)/.test(String(cause.code));
}

/** Null if the answer is deleted. */
async function save(
  { db, running }: EndDeps,
  live: LiveAnswer,
  { text, reasoning, citations, usage, attempts, kept, ending }: ToSave,
) {
  // A checkpoint that has begun may add chunks that the statement, which sees the state of its start, would not delete. A later
  // one leaves out answers that are ending.
  await running.checkpoint;
  const [saved] = await saveEnd(db).execute({
    threadId: live.threadId,
    answerId: live.id,
    writerId: live.writerId,
    status: ending.status,
    text,
    reasoning,
    citations,
    attempts,
    keptReasoning: kept,
    ...endColumns(ending),
    ...usageColumns(usage, ending, text.length + reasoning.length),
  });
  return saved ?? (await endedByAnother(db, live));
}

/** One statement, so that an answer ends with one round trip. No row if the answer is not this server's to end. */
const saveEnd = prepared((db) => {
  // The thread's row first, as in `db/lock-order`: two answers of one thread that end together would deadlock otherwise.
  const counted = db.$with('counted').as(
    db
      .update(threads)
      .set({ revision: sql`${threads.revision} + 1` })
      .where(
        and(
          eq(threads.id, sql.placeholder('threadId')),
          sql`exists (select from ${messages} where ${isWriter})`,
        ),
      )
      .returning(announcedColumns),
  );
  const ended = db.$with('ended').as(
    db
      .update(messages)
      .set({ ...placeholders(ENDED_COLUMNS), writerId: null, stopAskedAt: null })
      .where(and(isWriter, sql`exists (select from ${counted})`))
      .returning(messageColumns),
  );
  const dropped = db
    .$with('dropped')
    .as(
      db
        .delete(answerChunks)
        .where(sql`${answerChunks.messageId} in (select ${ended.id} from ${ended})`)
        .returning({ messageId: answerChunks.messageId }),
    );
  return db
    .with(counted, ended, dropped)
    .select({ thread: { ...counted._.selectedFields }, row: { ...ended._.selectedFields } })
    .from(counted)
    .innerJoin(ended, sql`true`)
    .prepare('save_end');
});

/** Whether the answer `answerId` is being written, and by the server `writerId`. */
export const isWriter = and(
  eq(messages.id, sql.placeholder('answerId')),
  eq(messages.status, 'WRITING'),
  eq(messages.writerId, sql.placeholder('writerId')),
  // A server that was taken for dead writes nothing more.
  sql`exists (select from ${servers} where ${servers.id} = ${sql.placeholder('writerId')} and ${servers.endedAt} is null)`,
);

const ENDED_COLUMNS = [
  'status',
  'text',
  'reasoning',
  'citations',
  'attempts',
  'keptReasoning',
  'errorCode',
  'errorRetryAt',
  'finishReason',
  'providerFinishReason',
  'inputTokens',
  'outputTokens',
  'cachedInputTokens',
  'cacheWriteTokens',
  'reasoningTokens',
  'isUsageEstimated',
] as const;

/** The answer as another server ended it; null if it is deleted. Throws while that server has not ended it yet. */
async function endedByAnother(db: Pick<Database, 'select'>, live: LiveAnswer) {
  const [found] = await db
    .select({ row: messageColumns, thread: announcedColumns })
    .from(messages)
    .innerJoin(threads, eq(threads.id, messages.threadId))
    .where(eq(messages.id, live.id));
  if (found?.row.status === 'WRITING') throw new NotOursError();
  return found ?? null;
}

/** An answer that another server has taken over and will end. */
class NotOursError extends Error {
  override readonly name = 'NotOursError';
}

function endColumns(ending: Ending) {
  const none = { errorCode: null, errorRetryAt: null, finishReason: null, providerFinishReason: null };
  if (ending.type === 'failed') return { ...none, errorCode: ending.code, errorRetryAt: ending.retryAt };
  if (ending.status === 'STOPPED') return none;
  return {
    ...none,
    finishReason: ending.finishReason,
    providerFinishReason: sanitizeText(ending.providerFinishReason, MAX_REASON_LENGTH),
  };
}

/** A count in the middle of an answer is lower than what was shown and paid for, so it is replaced by an estimate. */
function usageColumns(usage: SeenUsage | undefined, ending: Ending, shownLength: number) {
  const counted = usage?.outputTokens ?? null;
  const isCounted = counted !== null && (usage?.isFinal === true || ending.status === 'COMPLETE');
  return {
    inputTokens: usage?.inputTokens ?? null,
    outputTokens: isCounted ? counted : Math.max(counted ?? 0, Math.ceil(shownLength / CHARACTERS_PER_TOKEN)),
    cachedInputTokens: usage?.cachedInputTokens ?? null,
    cacheWriteTokens: usage?.cacheWriteTokens ?? null,
    reasoningTokens: usage?.reasoningTokens ?? null,
    isUsageEstimated: !isCounted,
  };
}

const CHARACTERS_PER_TOKEN = 4; // roughly, in most of the languages that models are used in

const MAX_REASON_LENGTH = 200;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 2_000; // a person waits for the end
