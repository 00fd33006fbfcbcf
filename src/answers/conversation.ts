import { asc, count, type SQL, type SQLWrapper, sql, sum } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { fromJson } from '../db/json-rows.ts';
import { messageAttachments } from '../db/tables/attachment.ts';
import type { StoredOptions } from '../db/tables/model.ts';
import { messages } from '../db/tables/thread.ts';
import { ModelUnavailableError } from '../errors.ts';
import type { KeyDeps } from '../keys/api-key.ts';
import type { Model } from '../models/catalogue.ts';
import { parseKept } from '../providers/kept-reasoning.ts';
import type { Turn } from '../providers/provider.ts';
import { readMessages } from '../threads/message.ts';
import type { Thread } from '../threads/thread.ts';
import { type FileReferences, MOST_REFERENCES } from './branch-files.ts';
import { suggestModels } from './find-paying-keys.ts';
import { type LiveTextDeps, withLiveText } from './live-text.ts';
import type { UsedFiles } from './sent-files.ts';

/** What is to be answered: the branch that ends with a message, and the new text after it. */
export interface Question {
  thread: Pick<Thread, 'id' | 'workspaceId' | 'teamId'>;
  /** Null for the first message of a thread. */
  leafId: string | null;
  /** Null if the last message of the branch is answered again. */
  text: string | null;
  /** Whether the new message has files, which makes it one without a text too. */
  hasFiles: boolean;
}

/** A turn as every model is sent it; its files are sent to each in a form of its own. */
export interface ConversationTurn extends Omit<Turn, 'files'> {
  /** The messages whose files are the turn’s, null for the new one. Absent for none. */
  fileMessageIds?: readonly (string | null)[];
}

/** The branch of a question as the statement that begins its answers reads it. */
export interface Branch extends FileReferences {
  /** Length of all texts in bytes of UTF-8. The walk ends a little above what can be sent. */
  bytes: number;
  messages: number;
  /** The messages, oldest first; null if they are many or long, and are read only once there is room for them. */
  said: Said[] | null;
}

/** The branch that ends with a message, as a column. The database knows the length of a text without decompressing it. */
export function branchColumn(leafId: SQLWrapper): SQL<Branch> {
  return sql`(
    with recursive branch as (
      select id, parent_id, 1 as length, octet_length(text)::bigint as bytes from ${messages} where id = ${leafId}
      union all
      select parent.id, parent.parent_id, branch.length + 1, branch.bytes + octet_length(parent.text)
      from ${messages} as parent join branch on parent.id = branch.parent_id
      where branch.length <= ${sql.raw(`${MAX_MESSAGES}`)} and branch.bytes <= ${sql.raw(`${MAX_BYTES}`)}
    ), size as (select coalesce(max(bytes), 0) as bytes, count(*) as messages from branch),
    kept as (select coalesce(sum(octet_length(said.kept_reasoning)), 0) as bytes
      from branch join ${messages} as said on said.id = branch.id),
    with_files as (select id, length from branch
      where exists (select from ${messageAttachments} where message_id = branch.id)),
    reference as (select message_id, attachment_id, length, position
      from with_files join ${messageAttachments} on message_id = with_files.id
      order by length, position desc limit ${sql.raw(`${MOST_REFERENCES}`)})
    select json_build_object('bytes', size.bytes, 'messages', size.messages,
      'fileMessageIds', (select coalesce(json_agg(id order by length desc), '[]') from with_files),
      'newestReferences', (
        select coalesce(json_agg(json_build_array(message_id, attachment_id) order by length desc, position), '[]')
        from reference), 'said',
      case when size.bytes <= ${sql.raw(`${SHORT_BYTES}`)} and size.messages <= ${sql.raw(`${SHORT_MESSAGES}`)} then (
        select coalesce(json_agg(json_build_object('id', said.id, 'role', said.role, 'status', said.status,
          'text', said.text, 'finishReason', said.finish_reason,
          'kept', case when kept.bytes <= ${sql.raw(`${MAX_KEPT_BYTES}`)} then said.kept_reasoning end) order by said.position), '[]')
        from branch join ${messages} as said on said.id = branch.id, kept) end)::text
    from size)`.mapWith((text) => fromJson<Branch>(text));
}

/** Bytes of a branch as a model is sent it, without files: its texts, and what was kept of its answers. */
export function bytesSaid({ bytes, said }: Branch): number {
  return (said ?? []).reduce((total, { kept }) => total + (kept?.length ?? 0), bytes);
}

/**
 * Returns the length of a conversation in bytes of UTF-8, before long ones are read. Throws ModelUnavailableError if it is too
 * long for every model.
 */
export async function measureConversation(db: Database, question: Question, branch: Branch): Promise<number> {
  const bytesOfText = Buffer.byteLength(question.text ?? '');
  const bytes = branch.bytes + bytesOfText;
  if (isSendable({ bytes, messages: branch.messages })) return bytes;
  // The walk ended early, and the sentence names the whole length.
  const [size] = await db
    .select({ bytes: sum(sql`octet_length(${messages.text})`).mapWith(Number), messages: count() })
    .from(messages)
    .where(isOnBranch(question));
  throw tooLongToSend({ bytes: (size?.bytes ?? 0) + bytesOfText, messages: size?.messages ?? 0 });
}

/**
 * Reads a conversation as a model is sent it: every message of the branch. An answer that failed, was stopped or is still
 * being written has its text so far. `noteBytes` are those of the longest notes about files. To be called after
 * `measureConversation`. Throws ModelUnavailableError.
 */
export async function readConversation(
  deps: LiveTextDeps,
  question: Question,
  branch: Branch,
  noteBytes: number,
): Promise<ConversationTurn[]> {
  const said = await withTextSoFar(deps, branch.said ?? (await readBranch(deps.db, question)));
  const { text, hasFiles } = question;
  const withFiles = new Set<string | null>([...branch.fileMessageIds, ...(hasFiles ? [null] : [])]);
  const turns = turnsOf(text === null ? said : [...said, { ...SAID_BY_PERSON, text }], withFiles);
  // Answers still being written had no length in the database, and some characters take several bytes of JSON.
  const size = {
    bytes: turns.reduce((total, turn) => total + jsonBytes(turn.text), noteBytes),
    messages: said.length,
  };
  if (!isSendable(size)) throw tooLongToSend(size);
  return turns;
}

/** Long conversations leave no room for what was kept of their answers. */
async function readBranch(db: Database, question: Question): Promise<Said[]> {
  const rows = await db
    .select(saidColumns)
    .from(messages)
    .where(isOnBranch(question))
    .orderBy(asc(messages.position));
  return rows.map((row) => ({ ...row, kept: null }));
}

function jsonBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text));
}

/**
 * The turns that a model is sent: the person's come first and last, roles alternate, and none is blank, unless it has files. Some
 * chat templates refuse anything else, so one failed answer between two questions would make every later question of the thread
 * fail.
 */
function turnsOf(
  conversation: readonly (Pick<Said, 'role' | 'status' | 'text' | 'finishReason' | 'kept'> & {
    id: string | null;
  })[],
  withFiles: ReadonlySet<string | null>,
): ConversationTurn[] {
  const turns: ConversationTurn[] = [];
  let isCutOff = false;
  for (const said of conversation) {
    const hasFiles = withFiles.has(said.id);
    const isBlank = !/\S/.test(said.text);
    if (isBlank && !hasFiles) continue;
    const last = turns.at(-1);
    const role = said.role === 'USER' ? 'user' : 'assistant';
    if (last === undefined && role === 'assistant') continue;
    // The note is part of the next question, because models copy such a note from an answer into their own answers.
    const parts = [...(role === 'user' && isCutOff ? [CUT_OFF] : []), ...(isBlank ? [] : [said.text])];
    isCutOff = isPart(said);
    const kept = parseKept(said.kept);
    const turn = { role, text: parts.join('\n\n'), ...(hasFiles && { fileMessageIds: [said.id] }) } as const;
    if (last?.role === role) turns.splice(-1, 1, joined(last, turn));
    else turns.push({ ...turn, ...(kept !== null && { kept }) });
  }
  return turns;
}

/** What was kept of one answer does not belong to the text of two. */
function joined(
  { role, text, fileMessageIds: ids = [] }: ConversationTurn,
  { text: more, fileMessageIds: moreIds = [] }: ConversationTurn,
): ConversationTurn {
  const fileMessageIds = [...ids, ...moreIds];
  const parts = [text, more].filter((part) => part !== '');
  return { role, text: parts.join('\n\n'), ...(fileMessageIds.length > 0 && { fileMessageIds }) };
}

/** A message as far as a model is concerned. */
type Said = Pick<typeof messages.$inferSelect, keyof typeof saidColumns> & {
  /** Kept reasoning as JSON; null if the answer has none. Read with short conversations only. */
  kept: string | null;
};

const saidColumns = {
  id: messages.id,
  role: messages.role,
  status: messages.status,
  text: messages.text,
  finishReason: messages.finishReason,
};

const SAID_BY_PERSON = {
  id: null,
  role: 'USER',
  status: 'COMPLETE',
  finishReason: null,
  kept: null,
} as const;

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
async function withTextSoFar(deps: LiveTextDeps, conversation: readonly Said[]): Promise<Said[]> {
  const current = conversation.map((said) => {
    const live = said.status === 'WRITING' ? deps.running.get(said.id) : undefined;
    return { said: live === undefined ? said : { ...said, text: live.final.text }, live };
  });
  // An answer is saved before it leaves memory, so one that left since its row was read has its text in the row by now. Others
  // are written by other servers.
  const left = current.filter(({ said, live }) => said.status === 'WRITING' && live === undefined);
  if (left.length === 0) return current.map(({ said }) => said);
  const ids = left.map(({ said }) => said.id);
  const saved = await withLiveText(deps, await readMessages(deps, ids));
  const byId = new Map(saved.map((said) => [said.id, said]));
  return current.map(({ said }) => ({ ...said, ...byId.get(said.id) }));
}

/** Whether an answer ended before it was complete. */
function isPart({ role, status, finishReason }: Pick<Said, 'role' | 'status' | 'finishReason'>): boolean {
  if (role === 'USER') return false;
  return status !== 'COMPLETE' || finishReason === 'LENGTH' || finishReason === 'CONTENT_FILTER';
}

const CUT_OFF = '[The answer above was cut off before its end.]';

function isSendable({ bytes, messages }: ConversationSize): boolean {
  return bytes <= MAX_BYTES && messages <= MAX_MESSAGES;
}

/** The error for a conversation that is too long to be sent to any model. */
function tooLongToSend({ bytes }: ConversationSize): ModelUnavailableError {
  const size =
    bytes > MAX_BYTES
      ? `${(bytes / MEBIBYTE).toFixed(1)} MiB long, and at most 4 MiB can be sent to a model`
      : `more than ${NUMBER.format(MAX_MESSAGES)} messages long, which is the most that can be sent to a model`;
  return tooLong(`This conversation is ${size}. Reply to an earlier message, or begin a new thread.`, []);
}

interface ConversationSize {
  bytes: number;
  messages: number;
}

/**
 * Throws ModelUnavailableError if a conversation with the system prompt and its files is clearly too long for the context window of
 * a model.
 */
export async function requireContextWindows(
  deps: Pick<KeyDeps, 'db'>,
  thread: Question['thread'],
  turns: readonly ConversationTurn[],
  answers: readonly { model: Model; options: StoredOptions | null; files: UsedFiles }[],
): Promise<void> {
  const characters = turns.reduce((total, { text }) => total + text.length, 0);
  for (const { model, options, files } of answers) {
    const { title, contextWindow } = model;
    const promptLength = options?.systemPrompt?.length ?? 0;
    const tokensOfText = Math.ceil((characters + promptLength + files.noteBytes) / MOST_CHARACTERS_PER_TOKEN);
    const tokensOfFiles = files.used.reduce((total, { use }) => total + use.tokens, 0);
    const tokens = tokensOfText + tokensOfFiles;
    if (contextWindow === null || tokens <= contextWindow) continue;
    const ofFiles = tokensOfFiles === 0 ? '' : `, ${NUMBER.format(tokensOfFiles)} of them in files`;
    throw tooLong(
      `This conversation is about ${NUMBER.format(tokens)} tokens long${ofFiles}, and ${title} takes ${NUMBER.format(contextWindow)}. Shorten the message, reply to an earlier one, or choose a model with a larger context.`,
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
/** What the first statement returns at once; longer conversations are rare, and read only once there is room for them. */
const SHORT_BYTES = MEBIBYTE / 4;
const SHORT_MESSAGES = 1_000;
/** Above it nothing is sent back: leaving out the oldest would make every later turn miss the provider's cache. */
const MAX_KEPT_BYTES = MEBIBYTE;
/** More than texts of most languages have, so that nothing is refused here that the provider would accept. */
const MOST_CHARACTERS_PER_TOKEN = 5;
