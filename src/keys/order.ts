import { and, asc, eq, max, ne } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { ConflictError, InvalidInputError } from '../errors.ts';
import type { ProviderName } from '../providers/provider.ts';

/** Throws ConflictError if a tenant, whose row is locked, has the maximum number of keys. */
export async function requireRoomForKey(
  tx: Pick<Database, '$count'>,
  tenant: { id: string; type: 'workspace' | 'team' },
): Promise<void> {
  if ((await tx.$count(apiKeys, eq(apiKeys.tenantId, tenant.id))) >= MAX_KEYS)
    throw new ConflictError(`This ${tenant.type} has ${MAX_KEYS} keys, which is the most. Remove one first.`);
}

/** The position of a new key: the last one. */
export async function nextPosition(tx: Pick<Database, 'select'>, group: KeyGroup): Promise<number> {
  const [row] = await tx
    .select({ last: max(apiKeys.position) })
    .from(apiKeys)
    .where(isIn(group));
  return (row?.last ?? 0) + 1;
}

/** Moves a key to a position, or to the end if the position is higher, and renumbers the others. False if it was there already. */
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
 * Keys of one tenant and provider, which are tried in the order of their positions, from 1 without gaps. A transaction that
 * changes the order locks the tenant's row first.
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
  // Always in the same order, so that two transactions that lock keys never deadlock.
  for (const { id, position } of numbered.toSorted((left, right) => (left.id < right.id ? -1 : 1)))
    await tx
      .update(apiKeys)
      .set({ position })
      .where(and(eq(apiKeys.id, id), ne(apiKeys.position, position)));
}

function isIn({ tenantId, provider }: KeyGroup) {
  return and(eq(apiKeys.tenantId, tenantId), eq(apiKeys.provider, provider));
}

const MAX_KEYS = 50; // availability is computed over all of them, and the server checks each by itself
