import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { newId } from '../db/id.ts';
import { lockKeysForKeyShare } from '../db/lock-order.ts';
import { messages } from '../db/tables/thread.ts';
import { NotFoundError } from '../errors.ts';
import { modelsInWorkspace } from '../models/catalogue.ts';
import type { Turn } from '../providers/provider.ts';
import { type Message, messageColumns } from '../threads/message.ts';
import type { Thread } from '../threads/thread.ts';
import { leaseFromNow } from './checkpoint.ts';
import { findPayingKeys, type PaidModel } from './find-paying-keys.ts';
import { type GenerateDeps, generateAnswer } from './generate.ts';
import { LiveAnswer } from './live-answer.ts';

/** What beginning and generating answers needs. */
export interface AnswerDeps extends GenerateDeps {
  /** Names this process as the writer of its answers. */
  writerId: string;
  /** Registers work that outlives its request, so that a shutdown waits for it. */
  track(work: Promise<void>): void;
}

/** An answer that is about to begin, and the key that will pay for it. */
export type PreparedAnswer = PaidModel & { live: LiveAnswer };

/** Finds the models and the keys that will pay for them. Throws NotFoundError or ModelUnavailableError. */
export async function prepareAnswers(
  deps: AnswerDeps,
  viewer: Viewer,
  thread: Thread,
  modelIds: readonly string[],
): Promise<PreparedAnswer[]> {
  const known = await modelsInWorkspace(deps, { id: thread.workspaceId, teamId: thread.teamId }, modelIds);
  const requested = modelIds.map((modelId) => {
    const model = known.get(modelId);
    if (model === undefined) throw new NotFoundError('model in this workspace');
    return { model };
  });
  const paid = await findPayingKeys(deps, viewer, thread, requested);
  return paid.map((each) => ({
    ...each,
    live: new LiveAnswer({
      id: newId('msg'),
      threadId: thread.id,
      fence: FIRST_FENCE,
      provider: each.model.provider,
    }),
  }));
}

/**
 * Inserts the rows of new answers, all replies to one message. The caller has reserved their positions. The keys that pay are
 * read again, since one may have been switched off, or the plan lowered, since the answers were prepared. Throws
 * ModelUnavailableError.
 */
export async function beginAnswers(
  tx: Database,
  deps: AnswerDeps,
  viewer: Viewer,
  { thread, parentId, firstPosition }: { thread: Thread; parentId: string; firstPosition: number },
  prepared: readonly PreparedAnswer[],
): Promise<{ answers: Message[]; begun: PreparedAnswer[] }> {
  await lockKeysForKeyShare(
    tx,
    prepared.flatMap(({ apiKeyIds }) => apiKeyIds),
  );
  const begun = await findPayingKeys({ ...deps, db: tx }, viewer, thread, prepared);
  const answers = await tx
    .insert(messages)
    .values(
      begun.map(({ live, model, apiKeyId, paidBy }, index) => ({
        id: live.id,
        threadId: thread.id,
        position: firstPosition + index,
        parentId,
        role: 'ASSISTANT' as const,
        status: 'WRITING' as const,
        text: '',
        authorId: viewer.id,
        modelId: model.id,
        modelName: model.name,
        provider: model.provider,
        apiKeyId,
        paidBy,
        writerId: deps.writerId,
        leaseUntil: leaseFromNow(),
        fence: live.fence,
      })),
    )
    .returning(messageColumns);
  return { answers, begun };
}

/** Starts the provider calls for one conversation, which no request awaits: `track` registers them. */
export function startAnswers(
  deps: AnswerDeps,
  turns: readonly Turn[],
  prepared: readonly PreparedAnswer[],
): void {
  deps.running.begin(prepared.map(({ live }) => live));
  for (const { live, model, apiKeyId, keyTenantId } of prepared)
    deps.track(
      generateAnswer(deps, { live, model, apiKeyId, keyTenantId, request: { system: null, turns } }),
    );
}

const FIRST_FENCE = 1;
