import { and, desc, eq, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { prepared } from '../db/prepared.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { messages } from '../db/tables/thread.ts';
import { failureName, log } from '../log.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { Providers } from '../providers/registry.ts';

/**
 * Connects to the providers that answered the viewer last in a thread, since a person who opens it is likely to ask them again:
 * by the time the question is written, name, connection and encryption are out of the way. Never throws.
 */
export async function connectAhead(
  { db, providers }: { db: Database; providers: Providers },
  viewer: Viewer,
  threadId: string,
): Promise<void> {
  try {
    const places = await lastPlaces(db).execute({ threadId, viewerId: viewer.id });
    for (const { provider, ...place } of places) providers[provider as ProviderName].connectAhead(place);
  } catch (error) {
    log.warn({ threadId, failure: failureName(error) }, 'no connection was made ahead of a question');
  }
}

const lastPlaces = prepared((db) => {
  const last = db
    .select({ apiKeyId: messages.apiKeyId, askedBy: messages.authorId })
    .from(messages)
    .where(and(eq(messages.threadId, sql.placeholder('threadId')), eq(messages.role, 'ASSISTANT')))
    .orderBy(desc(messages.position))
    .limit(LAST_ANSWERS)
    .as('last');
  return db
    .selectDistinct({ provider: apiKeys.provider, tenantId: apiKeys.tenantId, baseUrl: apiKeys.baseUrl })
    .from(last)
    .innerJoin(apiKeys, eq(apiKeys.id, last.apiKeyId))
    .where(eq(last.askedBy, sql.placeholder('viewerId')))
    .prepare('last_places');
});

const LAST_ANSWERS = 8; // as many as may answer one question
