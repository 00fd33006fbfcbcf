import { and, eq, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Bus } from '../bus/bus.ts';
import { messages } from '../db/tables/thread.ts';
import { NotFoundError } from '../errors.ts';
import { findMessages, type Message } from '../threads/message.ts';
import { requireThread } from '../threads/thread.ts';
import { type EndDeps, endAnswer } from './end-answer.ts';
import type { RemoteAnswers } from './remote-answers.ts';

/**
 * Stops an answer that is being written, keeps its text, and returns it once that is saved; the provider's connection is
 * closed at once. An answer that has already ended is returned as it is, and so is one that another server writes and does not
 * stop within a few seconds: that server has died, and its answers are interrupted soon.
 */
export async function stopAnswer(deps: StopDeps, viewer: Viewer, answerId: string): Promise<Message> {
  const [answer] = await findMessages(deps, viewer, [answerId]);
  if (answer === undefined || answer.role !== 'ASSISTANT') throw new NotFoundError('answer');
  await requireThread(deps, viewer, answer.threadId, 'chat');
  const live = deps.running.get(answer.id);
  if (live !== undefined) await endAnswer(deps, live, { type: 'finished', status: 'STOPPED' });
  else if (answer.status === 'WRITING') await stopElsewhere(deps, answer);
  const [stopped] = await findMessages(deps, viewer, [answerId]);
  if (stopped === undefined) throw new NotFoundError('answer');
  return stopped;
}

interface StopDeps extends EndDeps {
  bus: Bus;
  remoteAnswers: RemoteAnswers;
}

/** Asks the server that writes the answer to stop it, by the row that its heartbeat reads, and waits for the end. */
async function stopElsewhere({ db, bus, remoteAnswers }: StopDeps, answer: Message): Promise<void> {
  const asked = await db
    .update(messages)
    .set({ stopAskedAt: sql`now()` })
    .where(and(eq(messages.id, answer.id), eq(messages.status, 'WRITING')))
    .returning({ writerId: messages.writerId });
  const [{ writerId } = { writerId: null }] = asked;
  if (writerId === null) return;
  bus.send(writerId, ['stop', answer.id]);
  await remoteAnswers.untilEnded(answer, STOP_PATIENCE_MS);
}

const STOP_PATIENCE_MS = 5_000; // ten heartbeats of the other server
