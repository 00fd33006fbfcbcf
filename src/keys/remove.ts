import { and, count, desc, eq, or, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Viewer } from '../accounts/session.ts';
import { recordAudit } from '../audit/record-audit.ts';
import type { Database } from '../db/database.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { apiKeyModels, models } from '../db/tables/model.ts';
import { messages, threads } from '../db/tables/thread.ts';
import { workspaces } from '../db/tables/workspace.ts';
import { type Model, modelsOfKey } from '../models/catalogue.ts';
import { type ApiKey, changeApiKey, type KeyDeps } from './api-key.ts';
import { findAvailability } from './availability.ts';
import { closeUp } from './order.ts';

/**
 * Removes a key for good. Its models and their answers stay; the models can no longer be asked through this key, and answers
 * that it is paying for end.
 */
export async function removeApiKey(
  deps: Pick<KeyDeps, 'db' | 'changes' | 'rootKeys'>,
  viewer: Viewer,
  id: string,
): Promise<{ apiKey: ApiKey; models: Model[] }> {
  return await changeApiKey(deps, viewer, id, async (tx, apiKey) => {
    const models = await modelsOfKey({ db: tx }, apiKey.id);
    await tx.delete(apiKeys).where(eq(apiKeys.id, apiKey.id));
    await closeUp(tx, apiKey);
    await recordAudit(tx, deps, apiKey.tenantId, {
      action: 'KEY_REMOVED',
      actorId: viewer.id,
      subjectId: apiKey.id,
      details: { provider: apiKey.provider, label: apiKey.label },
    });
    return { apiKey, models };
  });
}

/** What removing a key would do at this moment. */
export interface RemovalImpact {
  /** Its models that could no longer be asked, in the provider's order: no other usable key offers them. */
  models: Model[];
  /** Number of threads whose newest answer is by a model that could no longer be asked, also threads the viewer may not see. */
  threadCount: number;
  /** Number of answers that it is paying for, which would end. */
  runningAnswerCount: number;
}

/** Finds out what removing a key would do. The caller makes sure that the viewer may manage the key. */
export async function removalImpact(
  deps: { db: Database },
  apiKey: Pick<ApiKey, 'id' | 'tenantId'>,
): Promise<RemovalImpact> {
  const [offered, asked, runningAnswerCount] = await Promise.all([
    modelsOfKey(deps, apiKey.id),
    threadsByModel(deps.db, apiKey),
    countRunningAnswers(deps.db, apiKey.id),
  ]);
  const ids = [...new Set([...offered, ...asked].map(({ id }) => id))];
  const [now, without] = await Promise.all([
    findAvailability(deps, ids),
    findAvailability(deps, ids, { withoutApiKeyId: apiKey.id }),
  ]);
  const ends = ({ id }: { id: string }) =>
    now.get(id)?.isAvailable === true && without.get(id)?.isAvailable !== true;
  return {
    models: offered.filter(ends),
    threadCount: asked.filter(ends).reduce((total, { threadCount }) => total + threadCount, 0),
    runningAnswerCount,
  };
}

/**
 * How many threads were last answered by each of the key's models, in the workspaces in which it pays. A workspace of a team
 * may have an entry of its own for a model of the team.
 */
async function threadsByModel(
  db: Database,
  { id, tenantId }: Pick<ApiKey, 'id' | 'tenantId'>,
): Promise<{ id: string; threadCount: number }[]> {
  const newest = db
    .select({ modelId: messages.modelId })
    .from(messages)
    .where(and(eq(messages.threadId, threads.id), eq(messages.role, 'ASSISTANT')))
    .orderBy(desc(messages.position))
    .limit(1)
    .as('newest');
  return await db
    .select({ id: models.id, threadCount: count() })
    .from(threads)
    .innerJoin(workspaces, eq(workspaces.id, threads.workspaceId))
    .innerJoinLateral(newest, sql`true`)
    .innerJoin(models, eq(models.id, newest.modelId))
    .innerJoin(
      offered,
      and(
        eq(offered.tenantId, tenantId),
        eq(offered.provider, models.provider),
        eq(offered.baseUrl, models.baseUrl),
        eq(offered.name, models.name),
      ),
    )
    .innerJoin(apiKeyModels, and(eq(apiKeyModels.modelId, offered.id), eq(apiKeyModels.apiKeyId, id)))
    .where(or(eq(workspaces.id, tenantId), eq(workspaces.teamId, tenantId)))
    .groupBy(models.id);
}

async function countRunningAnswers(db: Database, apiKeyId: string): Promise<number> {
  const [row] = await db
    .select({ total: count() })
    .from(messages)
    .where(and(eq(messages.status, 'WRITING'), eq(messages.apiKeyId, apiKeyId)));
  return row?.total ?? 0;
}

const offered = alias(models, 'offered');
