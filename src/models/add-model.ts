import { and, count, eq, isNotNull, notExists, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { apiKeyModels, models } from '../db/tables/model.ts';
import { ConflictError, InvalidInputError } from '../errors.ts';
import type { ProviderName } from '../providers/provider.ts';
import { sanitizeLine } from '../sanitize-line.ts';
import { tenantColumns } from '../workspaces/tenant.ts';
import { BASE_IDENTITY } from './base-facts.ts';
import type { Model } from './catalogue.ts';

/** A model that a person names, fit to be stored. Throws InvalidInputError. */
export function checkModelName(input: { name: string; title?: string | null | undefined }): NamedModel {
  const { name } = input;
  if (sanitizeLine(name) !== name || name.length < 1 || name.length > MAX_NAME_LENGTH)
    throw new InvalidInputError(
      'name',
      `The name of a model at its provider has between 1 and ${MAX_NAME_LENGTH} characters, without space around it.`,
    );
  return { name, title: input.title == null ? null : checkTitle(input.title) };
}

/** A title for people, fit to be stored. Throws InvalidInputError. */
export function checkTitle(text: string): string {
  const title = sanitizeLine(text);
  if (title.length >= 1 && title.length <= MAX_TITLE_LENGTH) return title;
  throw new InvalidInputError('title', `A title has between 1 and ${MAX_TITLE_LENGTH} characters.`);
}

interface NamedModel {
  name: string;
  /** Null if the name is its title too. */
  title: string | null;
}

/**
 * Saves a model that a person added to a key, to be called with the key locked. One that the provider lists keeps the facts of
 * the list.
 */
export async function saveAddedModel(
  tx: Pick<Database, 'select' | 'insert' | 'update'>,
  key: { id: string; tenantId: string; provider: ProviderName; baseUrl: string },
  { name, title }: NamedModel,
): Promise<Model> {
  const { provider, baseUrl, tenantId } = key;
  const [known] = await tx
    .insert(models)
    .values({
      ...tenantColumns(tenantId),
      ...{ provider, baseUrl, name, title: title ?? name, capabilities: [] },
    })
    .onConflictDoUpdate({
      target: BASE_IDENTITY,
      set: { updatedAt: sql`now()` },
    })
    .returning({ id: models.id });
  if (known === undefined) throw new Error('a saved model was not returned');
  await tx
    .insert(apiKeyModels)
    .values({ apiKeyId: key.id, modelId: known.id, isAdded: true })
    .onConflictDoUpdate({ target: [apiKeyModels.apiKeyId, apiKeyModels.modelId], set: { isAdded: true } });
  await requireRoom(tx, key.id);
  if (title !== null) await setTitle(tx, known.id, title);
  const [model] = await tx.select().from(models).where(eq(models.id, known.id));
  return model as Model;
}

/** The provider's own title goes before that of a person, as it would after the next refresh. */
async function setTitle(
  tx: Pick<Database, 'select' | 'update'>,
  modelId: string,
  title: string,
): Promise<void> {
  const listed = tx
    .select()
    .from(apiKeyModels)
    .where(and(eq(apiKeyModels.modelId, modelId), isNotNull(apiKeyModels.position)));
  await tx
    .update(models)
    .set({ title })
    .where(and(eq(models.id, modelId), notExists(listed)));
}

async function requireRoom(tx: Pick<Database, 'select'>, apiKeyId: string): Promise<void> {
  const [added] = await tx
    .select({ total: count() })
    .from(apiKeyModels)
    .where(and(eq(apiKeyModels.apiKeyId, apiKeyId), eq(apiKeyModels.isAdded, true)));
  if ((added?.total ?? 0) <= MAX_ADDED) return;
  throw new ConflictError(`${MAX_ADDED} models were added to this key, which is the most.`);
}

const MAX_NAME_LENGTH = 200; // with the base URL it must fit into an index entry
const MAX_TITLE_LENGTH = 100;
const MAX_ADDED = 200;
