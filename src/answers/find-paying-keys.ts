import type { Viewer } from '../accounts/session.ts';
import { ANSWER_ERRORS, answerSentence } from '../answer-error.ts';
import { ModelUnavailableError } from '../errors.ts';
import { findApiKeys, type KeyDeps } from '../keys/api-key.ts';
import { findAvailability, type ModelAvailability } from '../keys/availability.ts';
import { findModels, type Model } from '../models/catalogue.ts';
import { nearestModels } from '../models/nearest.ts';
import { findMessages } from '../threads/message.ts';
import { findThreads, type Thread } from '../threads/thread.ts';
import { mayDo } from '../workspaces/permissions.ts';

/** A model that can be asked, with the key that pays. */
export type PaidModel = Extract<ModelAvailability, { isAvailable: true }> & { model: Model };

/** Each of these answers with the key that pays for its model. Throws ModelUnavailableError for the first that has none. */
export async function requirePayingKeys<Answer extends { model: Model }>(
  deps: Pick<KeyDeps, 'db' | 'providers'>,
  viewer: Viewer,
  thread: Thread,
  answers: readonly Answer[],
  offers: ReadonlyMap<string, ModelAvailability>,
): Promise<(Answer & PaidModel)[]> {
  const paid: (Answer & PaidModel)[] = [];
  for (const answer of answers) {
    const offer = offers.get(answer.model.id) ?? NOT_OFFERED;
    if (!offer.isAvailable) throw await unavailable(deps, viewer, thread, answer.model, offer);
    paid.push({ ...answer, ...offer });
  }
  return paid;
}

type Unavailable = Extract<ModelAvailability, { isAvailable: false }>;

async function unavailable(
  deps: Pick<KeyDeps, 'db' | 'providers'>,
  viewer: Viewer,
  thread: Thread,
  model: Model,
  { code, apiKeyIds }: Unavailable,
): Promise<ModelUnavailableError> {
  const { title } = deps.providers[model.provider];
  const message = answerSentence(code, title, await managesKeys(deps, viewer, thread, apiKeyIds));
  const suggestions = await suggestModels(deps, thread, model);
  return new ModelUnavailableError(code, message, ANSWER_ERRORS[code].fixableBy, suggestions);
}

/** Ids of models to ask in place of another one: see `suggestedModels`. */
export async function suggestModels(
  deps: Pick<KeyDeps, 'db'>,
  thread: Pick<Thread, 'workspaceId' | 'teamId'>,
  model: Model,
  tokens = 0,
): Promise<string[]> {
  return (await suggestedModels(deps, thread, model, { tokens })).map(({ id }) => id);
}

/**
 * Models to ask in place of another one, its replacement first, then by nearest name. None that is known to have room for fewer
 * `tokens`, and only those that suit.
 */
export async function suggestedModels(
  deps: Pick<KeyDeps, 'db'>,
  { workspaceId, teamId }: Pick<Thread, 'workspaceId' | 'teamId'>,
  model: Model,
  { tokens = 0, suits = () => true }: { tokens?: number; suits?: (other: Model) => boolean },
): Promise<Model[]> {
  const nearest = await nearestModels(deps, { id: workspaceId, teamId }, model, tokens);
  const suitable = nearest.filter(suits);
  const offers = await findAvailability(
    deps,
    suitable.map(({ id }) => id),
  );
  return suitable.filter(({ id }) => offers.get(id)?.isAvailable).slice(0, MAX_SUGGESTIONS);
}

/** Models to ask in place of one that turned out not to be there, by the id of its answer; empty for other answers. */
export async function suggestionsFor(
  deps: Pick<KeyDeps, 'db'>,
  viewer: Viewer,
  answerIds: readonly string[],
): Promise<Map<string, string[]>> {
  const answers = (await findMessages(deps, viewer, answerIds)).filter(
    ({ errorCode }) => errorCode !== null && OF_OTHER_MODELS.has(errorCode),
  );
  const models = await byIds(findModels(deps, viewer, idsIn(answers.map(({ modelId }) => modelId))));
  const threads = await byIds(findThreads(deps, viewer, idsIn(answers.map(({ threadId }) => threadId))));
  // Many answers of a page may be by one model that is gone.
  const found = new Map<string, Promise<string[]>>();
  const suggestOnce = (thread: Thread, model: Model) => {
    const name = `${thread.workspaceId} ${model.id}`;
    const known = found.get(name) ?? suggestModels(deps, thread, model);
    found.set(name, known);
    return known;
  };
  const suggested = answers.map(async ({ id, modelId, threadId }): Promise<[string, string[]]> => {
    const [thread, model] = [threads.get(threadId), models.get(modelId ?? '')];
    return [id, thread === undefined || model === undefined ? [] : await suggestOnce(thread, model)];
  });
  return new Map(await Promise.all(suggested));
}

function idsIn(ids: readonly (string | null)[]): string[] {
  return [...new Set(ids.filter((id) => id !== null))];
}

async function byIds<Row extends { id: string }>(rows: Promise<Row[]>): Promise<Map<string, Row>> {
  return new Map((await rows).map((row) => [row.id, row]));
}

/** Whether the viewer may manage a key that lists the model, or could add one if there is none. */
async function managesKeys(
  deps: Pick<KeyDeps, 'db'>,
  viewer: Viewer,
  { viewerRole }: Thread,
  apiKeyIds: readonly string[],
): Promise<boolean> {
  if (apiKeyIds.length === 0) return mayDo(viewerRole, 'manageKeys');
  return (await findApiKeys(deps, viewer, apiKeyIds)).length > 0;
}

const NOT_OFFERED: Unavailable = { isAvailable: false, code: 'NO_KEY', apiKeyIds: [] };
/** The codes of failures that another model does not have. */
const OF_OTHER_MODELS: ReadonlySet<string> = new Set(['MODEL_NOT_FOUND', 'MODEL_UNAVAILABLE']);
const MAX_SUGGESTIONS = 5;
