import type { Database } from '../db/database.ts';
import { type Message, readMessages } from '../threads/message.ts';
import type { RunningAnswers } from './running.ts';

/**
 * The same messages, those still being written with their text so far. One that ended after its row was read is read again,
 * since the row had no text yet; one that was deleted by then is left out.
 */
export async function withLiveText(
  deps: { db: Database; running: RunningAnswers },
  messages: readonly Message[],
): Promise<Message[]> {
  const current = messages.map((message) => {
    const live = message.status === 'WRITING' ? deps.running.get(message.id) : undefined;
    if (live === undefined) return message;
    const { text, reasoning, citations } = live.snapshot;
    return { ...message, text, reasoning, citations };
  });
  // Computed once, before the read: another answer may end during it.
  const stale = new Set(
    current
      .filter((message) => message.status === 'WRITING' && !deps.running.has(message.id))
      .map((message) => message.id),
  );
  if (stale.size === 0) return current;
  const ended = new Map((await readMessages(deps, [...stale])).map((message) => [message.id, message]));
  return current.flatMap((message) => (stale.has(message.id) ? (ended.get(message.id) ?? []) : message));
}
