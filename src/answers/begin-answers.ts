import { setTimeout as sleep } from 'node:timers/promises';
import { inArray } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { ANSWER_ERRORS, answerSentence } from '../answer-error.ts';
import type { Database } from '../db/database.ts';
import { newId } from '../db/id.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { messages } from '../db/tables/thread.ts';
import { ModelUnavailableError, NotFoundError } from '../errors.ts';
import { findApiKeys, type KeyScope } from '../keys/api-key.ts';
import { findOffers, type Offer } from '../keys/offer.ts';
import { failureName, log } from '../log.ts';
import { type Model, modelsInWorkspace } from '../models/catalogue.ts';
import { nearestModels } from '../models/nearest.ts';
import type { Turn } from '../providers/provider.ts';
import { type Message, messageColumns } from '../threads/message.ts';
import type { Thread } from '../threads/thread.ts';
import { mayDo } from '../workspaces/membership.ts';
import { leaseFromNow } from './checkpoint.ts';
import { conversationTo } from './context.ts';
import { endAnswer } from './end-answer.ts';
import { type GenerateDeps, generateAnswer } from './generate.ts';
import { LiveAnswer } from './live-answer.ts';

/** What answering needs. */
export interface AnswerDeps extends GenerateDeps {
  /** Names this process as the writer of its answers. */
  writerId: string;
  /** Keeps hold of the work that goes on after a request has returned. */
  track(work: Promise<void>): void;
}

/** An answer that is about to begin. */
export interface PreparedAnswer {
  live: LiveAnswer;
  model: Model;
  apiKeyId: string;
  /** The workspace or team whose key it is. */
  payerId: string;
  paidBy: KeyScope;
}

/** Finds the models and the keys that will pay for them. Throws NotFoundError or ModelUnavailableError. */
export async function prepareAnswers(
  deps: AnswerDeps,
  viewer: Viewer,
  thread: Thread,
  modelIds: readonly string[],
): Promise<PreparedAnswer[]> {
  const workspace = { id: thread.workspaceId, teamId: thread.teamId };
  const asked = await modelsInWorkspace(deps, workspace, modelIds);
  const offers = await findOffers(
    deps,
    [...asked.values()].map((model) => model.id),
  );
  return await Promise.all(
    modelIds.map(async (modelId) => {
      const model = asked.get(modelId);
      const offer = model && offers.get(model.id);
      if (model === undefined || offer === undefined) throw new NotFoundError('model in this workspace');
      if (!offer.isAvailable) {
        const { title } = deps.providers[model.provider];
        const message = answerSentence(offer.code, title, await managesKeys(deps, viewer, thread, offer));
        const suggestions = await suggestionsFor(deps, workspace, model);
        throw new ModelUnavailableError(
          offer.code,
          message,
          ANSWER_ERRORS[offer.code].fixableBy,
          suggestions,
        );
      }
      const live = new LiveAnswer({ id: newId('msg'), threadId: thread.id, fence: FIRST_FENCE });
      return { live, model, apiKeyId: offer.apiKeyId, payerId: offer.payerId, paidBy: offer.paidBy };
    }),
  );
}

/** Writes the rows of answers that begin, all replying to one message. The caller has numbered their positions. */
export async function beginAnswers(
  tx: Pick<Database, 'insert' | 'select'>,
  deps: Pick<AnswerDeps, 'writerId' | 'providers'>,
  viewer: Viewer,
  replyTo: { threadId: string; parentId: string; firstPosition: number },
  prepared: readonly PreparedAnswer[],
): Promise<Message[]> {
  await requireKeysStill(tx, deps, prepared);
  return await tx
    .insert(messages)
    .values(
      prepared.map(({ live, model, apiKeyId, paidBy }, index) => ({
        id: live.id,
        threadId: replyTo.threadId,
        position: replyTo.firstPosition + index,
        parentId: replyTo.parentId,
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
}

/** Keeps the keys that will pay until the answers are saved. Throws ModelUnavailableError if one was removed since it was found. */
async function requireKeysStill(
  tx: Pick<Database, 'select'>,
  { providers }: Pick<AnswerDeps, 'providers'>,
  prepared: readonly PreparedAnswer[],
): Promise<void> {
  const ids = prepared.map(({ apiKeyId }) => apiKeyId);
  const kept = await tx
    .select({ id: apiKeys.id })
    .from(apiKeys)
    .where(inArray(apiKeys.id, ids))
    .for('key share');
  const gone = prepared.find(({ apiKeyId }) => !kept.some(({ id }) => id === apiKeyId));
  if (gone === undefined) return;
  const { title } = providers[gone.model.provider];
  const message = answerSentence('NO_KEY', title, false);
  throw new ModelUnavailableError('NO_KEY', message, ANSWER_ERRORS.NO_KEY.fixableBy, []);
}

/** Sets the providers to work. Nobody waits for them; `track` keeps hold of the work. */
export function startAnswers(
  deps: AnswerDeps,
  replyTo: { threadId: string; parentId: string },
  prepared: readonly PreparedAnswer[],
): void {
  deps.running.begin(prepared.map(({ live }) => live));
  deps.track(generateAnswers(deps, replyTo, prepared));
}

async function generateAnswers(
  deps: AnswerDeps,
  replyTo: { threadId: string; parentId: string },
  prepared: readonly PreparedAnswer[],
): Promise<void> {
  const turns = await readConversation(deps, replyTo);
  if (turns === undefined) {
    // Nothing was asked, and nobody else will end these answers.
    const ending = { type: 'failed', status: 'INTERRUPTED', code: 'INTERRUPTED', retryAt: null } as const;
    await Promise.all(prepared.map(({ live }) => endAnswer(deps, live, ending)));
    return;
  }
  await Promise.all(
    prepared.map(({ live, model, apiKeyId, payerId }) =>
      generateAnswer(deps, { live, model, apiKeyId, payerId, request: { system: null, turns } }),
    ),
  );
}

/** Waits a while for a database that is away. Undefined if it does not come back, the thread is gone, or the server closes. */
async function readConversation(
  { db, running }: AnswerDeps,
  { threadId, parentId }: { threadId: string; parentId: string },
): Promise<Turn[] | undefined> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  while (!running.isClosed && performance.now() < giveUpAt) {
    try {
      return await conversationTo(db, threadId, parentId);
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      log.warn({ threadId, failure: failureName(error) }, 'a thread could not be read');
      await sleep(RETRY_MS, undefined, { signal: running.closing }).catch(() => {});
    }
  }
  return undefined;
}

/** Models that can be asked in place of one that cannot, those of the most similar name first. */
async function suggestionsFor(
  deps: AnswerDeps,
  workspace: { id: string; teamId: string | null },
  model: Model,
): Promise<string[]> {
  const nearest = await nearestModels(deps, workspace, model);
  const offers = await findOffers(deps, nearest);
  return nearest.filter((modelId) => offers.get(modelId)?.isAvailable).slice(0, MAX_SUGGESTIONS);
}

/** Whether the viewer manages a key that lists the model; where there is none, whether they could add one. */
async function managesKeys(
  deps: AnswerDeps,
  viewer: Viewer,
  thread: Thread,
  { apiKeyIds }: Offer,
): Promise<boolean> {
  if (apiKeyIds.length === 0) return mayDo(thread.viewerRole, 'manageKeys');
  return (await findApiKeys(deps, viewer, apiKeyIds)).length > 0;
}

const MAX_SUGGESTIONS = 5;
const FIRST_FENCE = 1;
const PATIENCE_MS = 60_000; // somebody still waits for the answer
const RETRY_MS = 1_000;
