import { eq } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { auditChains, auditEntries } from '../db/tables/audit.ts';
import type { RootKey } from '../vault/seal.ts';
import { AUDIT_ACTIONS, type AuditDetailName, type AuditEvent } from './action.ts';
import { type Chain, entryHash, FIRST_HEAD, openChainKey, sealChainKey } from './chain.ts';

/**
 * Appends to the audit log of a workspace or team what is being done to it. It belongs into the transaction of the deed itself,
 * last: one is never there without the other, and nobody waits for the chain longer than that. Who records on two chains in
 * one transaction does so on the workspace's first, or two of them could wait for each other.
 *
 * What cannot be recorded is not done: this throws SealError if the chain's key does not open, and the database refuses a
 * place in the chain that is taken, which is what a chain looks like that was cut by hand.
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

/** The `tx` of `db.transaction`: without one, two entries could take the same place. */
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];

export interface AuditDeps {
  /** The first one seals, all of them open. */
  rootKeys: readonly [RootKey, ...RootKey[]];
}

/** Until the transaction ends, others wait here for their place. */
async function lockChain(tx: Transaction, tenantId: string): Promise<Chain | undefined> {
  const [chain] = await tx.select().from(auditChains).where(eq(auditChains.tenantId, tenantId)).for('update');
  return chain;
}

/** Two may begin at once: the second one waits for the first and then finds its chain. */
async function beginChain(tx: Transaction, root: RootKey, tenantId: string): Promise<Chain> {
  await tx
    .insert(auditChains)
    .values({ tenantId, ...sealChainKey(root, tenantId), length: 0, head: FIRST_HEAD })
    .onConflictDoNothing();
  const chain = await lockChain(tx, tenantId);
  if (chain === undefined) throw new Error('an audit chain is missing after it was begun');
  return chain;
}

/** The text that is hashed. Details that do not belong to the action stay out, whatever object the caller had at hand. */
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
