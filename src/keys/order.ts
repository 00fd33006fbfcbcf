import { and, asc, eq, max, ne } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { ConflictError, InvalidInputError } from '../errors.ts';
import type { ProviderName } from '../providers/provider.ts';

/** Throws ConflictError if a tenant, whose row is held, has as many keys as may be. */
export async function requireRoomForKey(
  tx: Pick<Database, '$count'>,
  tenant: { id: string; type: 'workspace' | 'team' },
): Promise<void> {
  if ((await tx.$count(apiKeys, eq(apiKeys.tenantId, tenant.id))) >= MAX_KEYS)
    throw new ConflictError(`This ${tenant.type} has ${MAX_KEYS} keys, which is the most. Remove one first.`);
}

/** The place of a new key: after those there are. */
export async function nextPosition(tx: Pick<Database, 'select'>, group: KeyGroup): Promise<number> {
  const [row] = await tx
    .select({ last: max(apiKeys.position) })
    .from(apiKeys)
    .where(isIn(group));
  return (row?.last ?? 0) + 1;
}

/** Moves a key to a position, the last one if there are fewer, and the others close up. False if it was there already. */
export async function moveKey(
  tx: Pick<Database, 'select' | 'update'>,
  key: KeyGroup & { id: string },
  position: number,
): Promise<boolean> {
  const before = await idsInOrder(tx, key);
  const others = before.filter((id) => id !== key.id);
  const after = others.toSpliced(position - 1, 0, key.id);
  await numberFromOne(tx, after);
  return before.indexOf(key.id) !== after.indexOf(key.id);
}

/** Closes the gap that a removed key left. */
export async function closeUp(tx: Pick<Database, 'select' | 'update'>, group: KeyGroup): Promise<void> {
  await numberFromOne(tx, await idsInOrder(tx, group));
}

/** A position fit to move to. Throws InvalidInputError. */
export function checkPosition(position: number): number {
  if (position >= 1) return position;
  throw new InvalidInputError('position', 'Positions are counted from 1.');
}

/**
 * Keys that are asked one after the other: positions from 1 without gaps. Whoever changes the order holds the tenant's row,
 * which keeps others from changing it too.
 */
interface KeyGroup {
  tenantId: string;
  provider: ProviderName;
}

async function idsInOrder(tx: Pick<Database, 'select'>, group: KeyGroup): Promise<string[]> {
  const rows = await tx
    .select({ id: apiKeys.id })
    .from(apiKeys)
    .where(isIn(group))
    .orderBy(asc(apiKeys.position), asc(apiKeys.id));
  return rows.map(({ id }) => id);
}

async function numberFromOne(tx: Pick<Database, 'update'>, ids: readonly string[]): Promise<void> {
  const numbered = ids.map((id, index) => ({ id, position: index + 1 }));
  // Always in the same order, so that two who have rows of keys locked never wait for each other.
  for (const { id, position } of numbered.toSorted((left, right) => (left.id < right.id ? -1 : 1)))
    await tx
      .update(apiKeys)
      .set({ position })
      .where(and(eq(apiKeys.id, id), ne(apiKeys.position, position)));
}

function isIn({ tenantId, provider }: KeyGroup) {
  return and(eq(apiKeys.tenantId, tenantId), eq(apiKeys.provider, provider));
}

const MAX_KEYS = 50; // each is looked through for every model, and checked by the server itself
