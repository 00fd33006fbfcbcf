import { asc, count, inArray, type SQL, sql, sum } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { messages } from '../db/tables/thread.ts';
import { ModelUnavailableError } from '../errors.ts';
import type { KeyDeps } from '../keys/api-key.ts';
import type { Model } from '../models/catalogue.ts';
import type { Turn } from '../providers/provider.ts';
import type { Thread } from '../threads/thread.ts';
import { suggestModels } from './find-paying-keys.ts';
import type { RunningAnswers } from './running.ts';

/** What is to be answered: the branch that ends with a message, and the new text after it. */
export interface Question {
  thread: Thread;
  /** Null for the first message of a thread. */
  leafId: string | null;
  /** Null if the last message of the branch is answered again. */
  text: string | null;
}

/**
 * Returns the length of a conversation in bytes of UTF-8, without reading it: the database knows the length of a text without
 * decompressing it. Throws ModelUnavailableError if it is too long for every model.
 */
export async function measureConversation(db: Database, question: Question): Promise<number> {
  const [size] = await db
    .select({ bytes: sum(sql`octet_length(${messages.text})`).mapWith(Number), messages: count() })
    .from(messages)
    .where(isOnBranch(question));
  const bytes = (size?.bytes ?? 0) + Buffer.byteLength(question.text ?? '');
  requireSendable({ bytes, messages: size?.messages ?? 0 });
  return bytes;
}

/**
 * Reads a conversation as a model is sent it: every message of the branch. An answer that failed, was stopped or is still
 * being written has its text so far. To be called after `measureConversation`. Throws ModelUnavailableError.
 */
export async function readConversation(
  deps: { db: Database; running: RunningAnswers },
  question: Question,
): Promise<Turn[]> {
  const rows = await deps.db
    .select(saidColumns)
    .from(messages)
    .where(isOnBranch(question))
    .orderBy(asc(messages.position));
  const said = await withTextSoFar(deps, rows);
  const { text } = question;
  const turns = turnsOf(text === null ? said : [...said, { ...SAID_BY_PERSON, text }]);
  // Answers still being written had no length in the database, and some characters take several bytes of JSON.
  const bytes = turns.reduce((total, turn) => total + Buffer.byteLength(JSON.stringify(turn.text)), 0);
  requireSendable({ bytes, messages: said.length });
  return turns;
}

/**
 * The turns that a model is sent: the person's come first and last, roles alternate, and none is blank. Some chat templates
 * refuse anything else, so one failed answer between two questions would make every later question of the thread fail.
 */
function turnsOf(conversation: readonly Pick<Said, 'role' | 'status' | 'text' | 'finishReason'>[]): Turn[] {
  const turns: Turn[] = [];
  let isCutOff = false;
  for (const said of conversation) {
    if (!/\S/.test(said.text)) continue;
    const last = turns.at(-1);
    const role = said.role === 'USER' ? 'user' : 'assistant';
    if (last === undefined && role === 'assistant') continue;
    // The note is part of the next question, because models copy such a note from an answer into their own answers.
    const text = role === 'user' && isCutOff ? `${CUT_OFF}\n\n${said.text}` : said.text;
    isCutOff = isPart(said);
    if (last?.role === role) last.text = `${last.text}\n\n${text}`;
    else turns.push({ role, text });
  }
  return turns;
}

/** A message as far as a model is concerned. */
type Said = Pick<typeof messages.$inferSelect, keyof typeof saidColumns>;

const saidColumns = {
  id: messages.id,
  role: messages.role,
  status: messages.status,
  text: messages.text,
  finishReason: messages.finishReason,
};

const SAID_BY_PERSON = { role: 'USER', status: 'COMPLETE', finishReason: null } as const;

/**
 * Whether a message is on the branch of the question. The recursion ends one message above the maximum, which is enough to
 * refuse it.
 */
function isOnBranch({ thread, leafId }: Question): SQL {
  return sql`${messages.id} in (
    with recursive branch as (
      select id, parent_id, 1 as length from ${messages} where id = ${leafId} and thread_id = ${thread.id}
      union all
      select parent.id, parent.parent_id, branch.length + 1
      from ${messages} as parent join branch on parent.id = branch.parent_id
      where branch.length <= ${MAX_MESSAGES}
    )
    select id from branch)`;
}

/** An answer's row holds its text only once the answer has ended. */
async function withTextSoFar(
  { db, running }: { db: Database; running: RunningAnswers },
  conversation: readonly Said[],
): Promise<Said[]> {
  const current = conversation.map((said) => {
    const live = said.status === 'WRITING' ? running.get(said.id) : undefined;
    return { said: live === undefined ? said : { ...said, text: live.final.text }, live };
  });
  // An answer is saved before it leaves memory, so one that left since its row was read has its text in the row by now.
  const left = current.filter(({ said, live }) => said.status === 'WRITING' && live === undefined);
  if (left.length === 0) return current.map(({ said }) => said);
  const ids = left.map(({ said }) => said.id);
  const saved = await db.select(saidColumns).from(messages).where(inArray(messages.id, ids));
  const byId = new Map(saved.map((said) => [said.id, said]));
  return current.map(({ said }) => byId.get(said.id) ?? said);
}

/** Whether an answer ended before it was complete. */
function isPart({ role, status, finishReason }: Pick<Said, 'role' | 'status' | 'finishReason'>): boolean {
  if (role === 'USER') return false;
  return status !== 'COMPLETE' || finishReason === 'LENGTH' || finishReason === 'CONTENT_FILTER';
}

const CUT_OFF = '[The answer above was cut off before its end.]';

/** Throws ModelUnavailableError for a conversation that is too long to be sent to any model. */
export function requireSendable({ bytes, messages }: { bytes: number; messages: number }): void {
  if (bytes <= MAX_BYTES && messages <= MAX_MESSAGES) return;
  const size =
    bytes > MAX_BYTES
      ? `${(bytes / MEBIBYTE).toFixed(1)} MiB long, and at most 4 MiB can be sent to a model`
      : `more than ${NUMBER.format(MAX_MESSAGES)} messages long, which is the most that can be sent to a model`;
  throw tooLong(`This conversation is ${size}. Reply to an earlier message, or begin a new thread.`, []);
}

/** Throws ModelUnavailableError if a conversation is clearly too long for the context window of one of these models. */
export async function requireContextWindows(
  deps: Pick<KeyDeps, 'db'>,
  thread: Thread,
  turns: readonly Turn[],
  models: readonly Model[],
): Promise<void> {
  const characters = turns.reduce((total, { text }) => total + text.length, 0);
  const tokens = Math.ceil(characters / MOST_CHARACTERS_PER_TOKEN);
  for (const model of models) {
    const { title, contextWindow } = model;
    if (contextWindow === null || tokens <= contextWindow) continue;
    throw tooLong(
      `This conversation is about ${NUMBER.format(tokens)} tokens long, and ${title} takes ${NUMBER.format(contextWindow)}. Shorten the message, reply to an earlier one, or choose a model with a larger context.`,
      await suggestModels(deps, thread, model, tokens),
    );
  }
}

function tooLong(message: string, suggestions: readonly string[]): ModelUnavailableError {
  return new ModelUnavailableError('CONTEXT_TOO_LONG', message, 'YOU', suggestions);
}

const NUMBER = new Intl.NumberFormat('en');
const MEBIBYTE = 2 ** 20;

/** In UTF-8. At most two hundred answers are written at a time, each with its conversation in memory. */
const MAX_BYTES = 4 * MEBIBYTE;
export const MAX_MESSAGES = 20_000; // the recursion reads so many parents in a tenth of a second
/** More than texts of most languages have, so that nothing is refused here that the provider would accept. */
const MOST_CHARACTERS_PER_TOKEN = 5;
