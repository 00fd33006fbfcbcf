import { asc, inArray, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { messages } from '../db/tables/thread.ts';
import type { Turn } from '../providers/provider.ts';
import type { RunningAnswers } from './running.ts';

/**
 * Reads the branch that ends with a message, oldest first, as a model is sent it: everything a person sees there. Of an
 * answer that failed, was stopped or is still being written, that is the text so far. Empty without a message.
 */
export async function readConversation(
  deps: { db: Database; running: RunningAnswers },
  { threadId, leafId }: { threadId: string; leafId: string | null },
): Promise<Said[]> {
  if (leafId === null) return [];
  const rows = await deps.db
    .select(saidColumns)
    .from(messages)
    .where(
      sql`${messages.id} in (
        with recursive branch as (
          select id, parent_id from ${messages} where id = ${leafId} and thread_id = ${threadId}
          union
          select parent.id, parent.parent_id from ${messages} as parent join branch on parent.id = branch.parent_id
        )
        select id from branch)`,
    )
    .orderBy(asc(messages.position));
  return await withTextSoFar(deps, rows);
}

/**
 * The turns that a model is sent: the person begins and ends, both alternate, and none is blank. Some chat templates refuse
 * anything else, so one failed answer between two questions would make every later question of the thread fail.
 */
export function turnsOf(
  conversation: readonly Pick<Said, 'role' | 'status' | 'text' | 'finishReason'>[],
): Turn[] {
  const turns: Turn[] = [];
  let isCutOff = false;
  for (const said of conversation) {
    if (!/\S/.test(said.text)) continue;
    const last = turns.at(-1);
    const role = said.role === 'USER' ? 'user' : 'assistant';
    if (last === undefined && role === 'assistant') continue;
    // In the question that follows, because what stands in an answer a model would write into its own answers.
    const text = role === 'user' && isCutOff ? `${CUT_OFF}\n\n${said.text}` : said.text;
    isCutOff = isPart(said);
    if (last?.role === role) last.text = `${last.text}\n\n${text}`;
    else turns.push({ role, text });
  }
  return turns;
}

/** A message as far as a model is concerned. */
export type Said = Pick<typeof messages.$inferSelect, keyof typeof saidColumns>;

const saidColumns = {
  id: messages.id,
  role: messages.role,
  status: messages.status,
  text: messages.text,
  finishReason: messages.finishReason,
};

/** An answer's row holds its text only once the answer has ended. */
async function withTextSoFar(
  { db, running }: { db: Database; running: RunningAnswers },
  conversation: readonly Said[],
): Promise<Said[]> {
  const current = conversation.map((said) => {
    const live = said.status === 'WRITING' ? running.get(said.id) : undefined;
    return { said: live === undefined ? said : { ...said, text: live.snapshot.text }, live };
  });
  // An answer is saved before it leaves memory, so one that has left since its row was read has its text there by now.
  const left = current.filter(({ said, live }) => said.status === 'WRITING' && live === undefined);
  if (left.length === 0) return current.map(({ said }) => said);
  const ids = left.map(({ said }) => said.id);
  const saved = await db.select(saidColumns).from(messages).where(inArray(messages.id, ids));
  const byId = new Map(saved.map((said) => [said.id, said]));
  return current.map(({ said }) => byId.get(said.id) ?? said);
}

/** Whether an answer ends before its end. */
function isPart({ role, status, finishReason }: Pick<Said, 'role' | 'status' | 'finishReason'>): boolean {
  if (role === 'USER') return false;
  return status !== 'COMPLETE' || finishReason === 'LENGTH' || finishReason === 'CONTENT_FILTER';
}

const CUT_OFF = '[The answer above was cut off before its end.]';
