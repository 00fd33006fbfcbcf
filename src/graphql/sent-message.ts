import type { Viewer } from '../accounts/session.ts';
import type { SentMessage } from '../answers/send-message.ts';
import type { SharedReads } from '../follow/shared-reads.ts';
import type { Message } from '../threads/message.ts';
import { siblingKey } from '../threads/siblings.ts';
import type { Context, Loaders } from './context.ts';

/** Remembers what was read and written for a message, so that its payload needs no further statement. */
export function rememberSent(
  loaders: Loaders,
  viewer: Viewer,
  { userMessage, answers, thread, facts }: SentMessage,
): void {
  if (facts === null) return;
  loaders.users.remember(viewer.id, viewer);
  loaders.threads.remember(thread.id, thread);
  for (const message of [userMessage, ...answers]) loaders.messages.remember(message.id, message);
  loaders.attachmentsOf.remember(userMessage.id, facts.attachments);
  for (const attachment of facts.branchFiles) loaders.attachments.remember(attachment.id, attachment);
  loaders.siblingIds.remember(siblingKey(userMessage), [...facts.siblingIds, userMessage.id]);
  loaders.siblingIds.remember(
    userMessage.id,
    answers.map(({ id }) => id),
  );
  if (facts.parent !== null) loaders.messageRoles.remember(facts.parent.id, facts.parent.role);
  for (const model of facts.models.values()) loaders.models.remember(model.id, model);
  for (const [modelId, offer] of facts.offers) loaders.offers.remember(modelId, offer);
  const newest = answers.at(-1);
  if (newest !== undefined) loaders.newestAnswers.remember(thread.id, newest);
}

/** Shares the same with the sender's followers, for the events in which they are sent the message. */
export function shareSent(sharedReads: SharedReads, viewer: Viewer, sent: SentMessage): void {
  const { id, workspaceId, teamId } = sent.thread;
  const topics = [id, viewer.id, workspaceId, ...(teamId === null ? [] : [teamId])];
  for (const message of [sent.userMessage, ...sent.answers])
    sharedReads.put(nameOf(viewer, message), sent, topics);
}

/** Remembers what was shared about a message, if it is still current, for the event that is being executed. */
export async function recallSent({ deps, viewer, loaders }: Context, message: Message): Promise<void> {
  if (viewer === null) return;
  const sent = await deps.sharedReads.read(
    nameOf(viewer, message),
    async (): Promise<SentMessage | null> => null,
  );
  if (sent !== null) rememberSent(loaders, viewer, sent);
}

function nameOf(viewer: Viewer, { id }: Pick<Message, 'id'>): string {
  return `${viewer.id} sent ${id}`;
}
