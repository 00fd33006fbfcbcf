import { eq } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { prefixOf } from '../db/id.ts';
import { teams } from '../db/tables/team.ts';
import { workspaces } from '../db/tables/workspace.ts';
import { NotFoundError } from '../errors.ts';

/**
 * Keeps the owner of keys from being removed until the transaction ends, and stands in nobody else's way. Taken before the
 * row of a key: who removes the owner goes from there to its keys, and must not be met half-way. Throws NotFoundError if the
 * owner is gone.
 */
export async function keepOwner(tx: Pick<Database, 'select'>, ownerId: string): Promise<void> {
  const table = prefixOf(ownerId) === 'tem' ? teams : workspaces;
  const [row] = await tx.select({ id: table.id }).from(table).where(eq(table.id, ownerId)).for('key share');
  if (row === undefined) throw new NotFoundError('API key');
}
