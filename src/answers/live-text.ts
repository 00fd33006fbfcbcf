import type { Database } from '../db/database.ts';
import { type Message, readMessages } from '../threads/message.ts';
import type { AnswerPart, FollowedAnswer } from './followed-answer.ts';
import { NO_CHUNK } from './remote-answer.ts';
import type { RemoteAnswers } from './remote-answers.ts';
import { readProgress } from './remote-progress.ts';
import type { RunningAnswers } from './running.ts';

export interface LiveTextDeps {
  db: Database;
  running: RunningAnswers;
  remoteAnswers: RemoteAnswers;
}

/** The answer, if this server writes it or follows it on another one. */
export function findFollowed(
  { running, remoteAnswers }: Pick<LiveTextDeps, 'running' | 'remoteAnswers'>,
  answerId: string,
): FollowedAnswer | undefined {
  return running.get(answerId) ?? remoteAnswers.get(answerId);
}

/**
 * The same messages, those still being written with their text so far: from memory, or else from what another server has saved.
 * One that ended after its row was read is read again, since the row had no text yet; one that was deleted by then is left out.
 */
export async function withLiveText(deps: LiveTextDeps, messages: readonly Message[]): Promise<Message[]> {
  const current = messages.map((message) => {
    const followed = message.status === 'WRITING' ? findFollowed(deps, message.id) : undefined;
    return followed === undefined ? message : { ...message, ...followed.snapshot };
  });
  // Computed once, before the read: another answer may end during it.
  const elsewhere = current.filter(
    ({ id, status }) => status === 'WRITING' && findFollowed(deps, id) === undefined,
  );
  if (elsewhere.length === 0) return current;
  const found = await readElsewhere(deps, elsewhere);
  return current.flatMap((message) =>
    elsewhere.includes(message) ? (found.get(message.id) ?? []) : message,
  );
}

/** Reads messages that another server writes or wrote. One that was deleted is not in the result. */
async function readElsewhere(
  deps: Pick<LiveTextDeps, 'db'>,
  messages: readonly Message[],
): Promise<Map<string, Message>> {
  const known = messages.map(({ id }) => ({ id, lastChunk: () => NO_CHUNK }));
  const progress = await readProgress(deps.db, known);
  const ended = messages.filter(({ id }) => progress.get(id)?.isWriting === false).map(({ id }) => id);
  const found = new Map(
    ended.length === 0 ? [] : (await readMessages(deps, ended)).map((message) => [message.id, message]),
  );
  for (const message of messages) {
    const written = progress.get(message.id);
    if (!written?.isWriting) continue;
    const textOf = (part: AnswerPart) =>
      written.pieces.map((piece) => (piece.part === part ? piece.text : '')).join('');
    found.set(message.id, { ...message, text: textOf('TEXT'), reasoning: textOf('REASONING') });
  }
  return found;
}
