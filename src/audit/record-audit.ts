import { eq } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { auditChains, auditEntries } from '../db/tables/audit.ts';
import type { RootKey } from '../vault/seal.ts';
import { AUDIT_ACTIONS, type AuditDetailName, type AuditEvent } from './action.ts';
import { type Chain, entryHash, FIRST_HEAD, openChainKey, sealChainKey } from './chain.ts';

/**
 * Appends an entry to the audit log of a workspace or team. Call it in the transaction of the recorded change, as its last
 * statement: then neither is committed without the other, and the lock on the chain is held as briefly as possible. A
 * transaction that records on two chains does so on the workspace's first, or two transactions could deadlock.
 *
 * A change that cannot be recorded is rolled back: this throws SealError if the chain's key does not open, and the database
 * refuses a position that exists already, as in a chain that was shortened by hand.
 */
export async function recordAudit(
  tx: Transaction,
  { rootKeys }: AuditDeps,
  tenantId: string,
  event: AuditEvent,
): Promise<void> {
  const chain = (await lockChain(tx, tenantId)) ?? (await beginChain(tx, rootKeys[0], tenantId));
  const position = chain.length + 1;
  const content = contentOf(event, new Date());
  const chainKey = openChainKey(rootKeys, chain);
  const head = entryHash(chainKey, chain.head, { tenantId, position, content });
  chainKey.fill(0);

  await tx.insert(auditEntries).values({ tenantId, position, content, hash: head });
  await tx.update(auditChains).set({ length: position, head }).where(eq(auditChains.tenantId, tenantId));
}

/** The `tx` of `db.transaction`: without one, two entries could take the same position. */
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];

export interface AuditDeps {
  /** The first one seals, all of them open. */
  rootKeys: readonly [RootKey, ...RootKey[]];
}

/** Reads and locks the chain: other transactions wait here for their position until this one ends. */
async function lockChain(tx: Transaction, tenantId: string): Promise<Chain | undefined> {
  const [chain] = await tx.select().from(auditChains).where(eq(auditChains.tenantId, tenantId)).for('update');
  return chain;
}

/** Inserts the chain. Of two transactions that do so at once, the second waits for the first and then reads its chain. */
async function beginChain(tx: Transaction, root: RootKey, tenantId: string): Promise<Chain> {
  await tx
    .insert(auditChains)
    .values({ tenantId, ...sealChainKey(root, tenantId), length: 0, head: FIRST_HEAD })
    .onConflictDoNothing();
  const chain = await lockChain(tx, tenantId);
  if (chain === undefined) throw new Error('an audit chain is missing after it was begun');
  return chain;
}

/** The text that is hashed. Properties of `details` that do not belong to the action are left out. */
function contentOf({ action, actorId, subjectId, details: given }: AuditEvent, at: Date): string {
  const details: Partial<Record<AuditDetailName, string>> = given;
  const own = AUDIT_ACTIONS[action].details.map((name: AuditDetailName) => [name, details[name]]);
  return JSON.stringify({
    at: at.toISOString(),
    action,
    actorId,
    subjectId,
    details: Object.fromEntries(own),
  });
}
