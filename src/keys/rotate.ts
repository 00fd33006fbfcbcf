import { and, asc, count, eq, gt, isNotNull, lt, ne, type SQL, sql } from 'drizzle-orm';
import { openChainKey, readSealedChains, resealChain, type SealedChain } from '../audit/chain.ts';
import type { Database } from '../db/database.ts';
import { readInBatches } from '../db/read-in-batches.ts';
import { beginGeneration, tenantGeneration } from '../db/sealing-generation.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { attachments } from '../db/tables/attachment.ts';
import { auditChains } from '../db/tables/audit.ts';
import { openFileKey, readSealedFileKeys, resealFileKey, type SealedFileKey } from '../files/file-key.ts';
import {
  type ResealableRows,
  type Resealed,
  resealRows,
  type SealedBy,
  type SealedRows,
  type SealFailure,
  verifyRows,
} from '../vault/reseal.ts';
import { type RootKey, resealRecord } from '../vault/seal.ts';
import { contextOf, openSealedKey, type SealedKey, sealedKeyColumns } from './open-secret.ts';

/** Seals all provider keys, keys of audit logs and keys of files that another root key sealed again with the first one. */
export async function rotateRoot(deps: RotateDeps): Promise<RootRotation> {
  const rootId = deps.rootKeys[0].id;
  const keys = await resealRows(keyRows(deps, ne(apiKeys.rootId, rootId)));
  const logs = await resealRows(chainRows(deps, ne(auditChains.rootId, rootId)));
  const files = await resealRows(fileRows(deps, ne(attachments.rootId, rootId)));
  return {
    ...keys,
    resealedLogs: logs.resealed,
    resealedFiles: files.resealed,
    failures: [...keys.failures, ...logs.failures, ...files.failures],
  };
}

/**
 * Begins a new generation of a tenant's sealing key and seals the tenant's keys with it, those of its files too.
 *
 * A run that was killed leaves keys on an older generation. The next run only finishes that rotation and begins no generation
 * of its own, or every kill would use one up. Keys that do not open stay on the old generation for ever and so do not count as
 * unfinished. The key of the tenant's audit log is not rotated: see `sealChainKey`.
 */
export async function rotateTenant(deps: RotateDeps, tenantId: string): Promise<TenantRotation> {
  const newest = await tenantGeneration(deps.db, tenantId);
  const rest = await resealOlder(deps, tenantId, newest);
  if (rest.resealed + rest.resealedFiles > 0)
    return { ...rest, type: 'finished-earlier', generation: newest };

  const generation = await beginGeneration(deps.db, tenantId, newest);
  return { ...(await resealOlder(deps, tenantId, generation)), type: 'begun', generation };
}

async function resealOlder(deps: RotateDeps, tenantId: string, generation: number): Promise<ResealedAll> {
  const isOlderKey = and(eq(apiKeys.tenantId, tenantId), lt(apiKeys.generation, generation));
  const isOlderFile = and(eq(attachments.workspaceId, tenantId), lt(attachments.generation, generation));
  const keys = await resealRows(keyRows(deps, isOlderKey));
  const files = await resealRows(fileRows(deps, isOlderFile));
  return { ...keys, resealedFiles: files.resealed, failures: [...keys.failures, ...files.failures] };
}

/** Opens every saved key and the key of every audit log and file with the given root keys, without changing any. */
export async function verifyKeys(deps: RotateDeps): Promise<Verification> {
  const keys = await verifyRows(keyRows(deps, undefined));
  const logs = await verifyRows(chainRows(deps, undefined));
  const files = await verifyRows(fileRows(deps, undefined));
  const opened = [
    ...keys.opened.map(({ rows, ...by }) => ({ ...by, keys: rows, logs: 0, files: 0 })),
    ...logs.opened.map(({ rows, ...by }) => ({ ...by, keys: 0, logs: rows, files: 0 })),
    ...files.opened.map(({ rows, ...by }) => ({ ...by, keys: 0, logs: 0, files: rows })),
  ];
  const groups = Map.groupBy(opened, ({ rootId, generation }) => `${rootId}.${generation}`);
  return {
    opened: [...groups.values()].map((group) => group.reduce(addUp)).sort(byRootThenGeneration),
    skipped: keys.skipped,
    failures: [...keys.failures, ...logs.failures, ...files.failures],
  };
}

/**
 * Counts the saved keys under each root id, those of audit logs and files included and without those that have to be entered
 * again anyway.
 */
export async function rowsByRootId(db: Pick<Database, 'select'>): Promise<Map<string, number>> {
  const keys = await db
    .select({ rootId: apiKeys.rootId, rows: count() })
    .from(apiKeys)
    .where(eq(apiKeys.needsReentry, false))
    .groupBy(apiKeys.rootId);
  const logs = await db
    .select({ rootId: auditChains.rootId, rows: count() })
    .from(auditChains)
    .groupBy(auditChains.rootId);
  const files = await db
    .select({ rootId: sql<string>`${attachments.rootId}`, rows: count() })
    .from(attachments)
    .where(isNotNull(attachments.rootId))
    .groupBy(attachments.rootId);
  const total = new Map<string, number>();
  for (const { rootId, rows } of [...keys, ...logs, ...files])
    total.set(rootId, (total.get(rootId) ?? 0) + rows);
  return total;
}

export interface RotateDeps {
  db: Database;
  /** The first one seals, all of them open. */
  rootKeys: readonly [RootKey, ...RootKey[]];
}

interface ResealedAll extends Resealed {
  /** Number of files whose key was sealed again. */
  resealedFiles: number;
}

export interface RootRotation extends ResealedAll {
  /** Number of audit logs whose key was sealed again. */
  resealedLogs: number;
}

export interface TenantRotation extends ResealedAll {
  /** Whether this run began the generation or only finished what an earlier one had begun. */
  type: 'begun' | 'finished-earlier';
  generation: number;
}

export interface Verification {
  /** Numbers of rows that open, by root key and generation. */
  opened: OpenedKeys[];
  /** How many were not tried because their secret has to be entered again anyway. */
  skipped: number;
  /** Rows that do not open: a provider key or file by its id, the key of an audit log by the id of its tenant. */
  failures: SealFailure[];
}

export interface OpenedKeys extends SealedBy {
  /** How many provider keys. */
  keys: number;
  /** How many audit logs. */
  logs: number;
  /** How many files. */
  files: number;
}

function keyRows(deps: RotateDeps, condition: SQL | undefined): Rows<SealedKey> {
  return {
    read: () => readSealedKeys(deps.db, condition),
    idOf: ({ id }) => id,
    needsReentry: (key) => key.needsReentry,
    open: (key) => openSealedKey(deps.rootKeys, key),
    reseal: (key) => resealKey(deps, key),
  };
}

function chainRows(deps: RotateDeps, condition: SQL | undefined): Rows<SealedChain> {
  return {
    read: () => readSealedChains(deps.db, condition),
    idOf: ({ tenantId }) => tenantId,
    needsReentry: () => false,
    open: (chain) => openChainKey(deps.rootKeys, chain),
    reseal: (chain) => resealChain(deps, chain),
  };
}

function fileRows(deps: RotateDeps, condition: SQL | undefined): Rows<SealedFileKey> {
  return {
    read: () => readSealedFileKeys(deps.db, condition),
    idOf: ({ id }) => id,
    needsReentry: () => false,
    open: (file) => openFileKey(deps.rootKeys, file).secret,
    reseal: (file) => resealFileKey(deps, file),
  };
}

type Rows<Row> = SealedRows<Row> & ResealableRows<Row>;

/** Reads the keys that meet the condition, by id. A key behind the cursor that meets it only later is missed. */
function readSealedKeys(db: Pick<Database, 'select'>, condition: SQL | undefined): AsyncGenerator<SealedKey> {
  return readInBatches(
    ({ id }) => id,
    (lastId, rows) =>
      db
        .select(sealedKeyColumns)
        .from(apiKeys)
        .where(and(condition, lastId === undefined ? undefined : gt(apiKeys.id, lastId)))
        .orderBy(asc(apiKeys.id))
        .limit(rows),
  );
}

async function resealKey({ db, rootKeys }: RotateDeps, key: SealedKey): Promise<boolean> {
  // Never an older generation than the row has: it may have been rotated because it leaked.
  const generation = Math.max(key.generation, await tenantGeneration(db, key.tenantId));
  const version = key.version + 1;
  const record = resealRecord(rootKeys, contextOf(key), key, { generation, version });
  const updated = await db
    .update(apiKeys)
    .set({ ...record, generation, version })
    .where(and(eq(apiKeys.id, key.id), eq(apiKeys.version, key.version)))
    .returning({ id: apiKeys.id });
  return updated.length > 0;
}

function addUp(left: OpenedKeys, right: OpenedKeys): OpenedKeys {
  return {
    ...left,
    keys: left.keys + right.keys,
    logs: left.logs + right.logs,
    files: left.files + right.files,
  };
}

function byRootThenGeneration(left: OpenedKeys, right: OpenedKeys): number {
  if (left.rootId !== right.rootId) return left.rootId < right.rootId ? -1 : 1;
  return left.generation - right.generation;
}
