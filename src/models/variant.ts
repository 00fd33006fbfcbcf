import { and, count, eq, isNotNull, isNull, ne, type SQL, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { type AuditDeps, recordAudit, type Transaction } from '../audit/record-audit.ts';
import type { Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { retryConflicts } from '../db/retry-conflicts.ts';
import { models } from '../db/tables/model.ts';
import { ConflictError, InvalidInputError, NotFoundError } from '../errors.ts';
import type { Providers } from '../providers/registry.ts';
import { type Action, mayDo } from '../workspaces/permissions.ts';
import { requirePlanForVariants } from '../workspaces/plan.ts';
import { lockAndAuthorizeWorkspace, type Tenant } from '../workspaces/tenant.ts';
import { requireWorkspace } from '../workspaces/workspace.ts';
import { checkTitle } from './add-model.ts';
import { checkOptions, type GivenOptions, replaceOptions, requireTaken } from './answer-options.ts';
import { baseFactsOf } from './base-facts.ts';
import { findModels, type Model, requireModelIn } from './catalogue.ts';

interface VariantDeps extends AuditDeps {
  db: Database;
  changes: Changes;
  providers: Providers;
}

/** Creates a variant of a model: the viewer's own, or by an ADMIN for everybody in the workspace. */
export async function createModelVariant(
  deps: VariantDeps,
  viewer: Viewer,
  input: {
    workspaceId: string;
    baseModelId: string;
    title: string;
    options?: GivenOptions | null | undefined;
    forEverybody?: boolean | null | undefined;
  },
): Promise<Model> {
  const title = checkTitle(input.title);
  const given = checkOptions('options', input.options ?? {});
  const userId = input.forEverybody === true ? null : viewer.id;
  const workspace = await requireWorkspace(deps, viewer, input.workspaceId, actionFor(userId));
  requirePlanForVariants(workspace.plan);
  const base = await requireModelIn(deps, viewer, workspace, input.baseModelId);
  if (base.baseModelId !== null)
    throw new InvalidInputError(
      'baseModelId',
      'A variant is made from a model of a provider. Name that one.',
    );
  const options = replaceOptions(null, given);
  requireTaken(deps.providers[base.provider], base, options, 'options');
  const variant = await deps.db.transaction(async (tx) => {
    await lockAndAuthorizeWorkspace(tx, viewer, workspace.id, actionFor(userId));
    await requireRoom(tx, workspace.id, userId);
    const values = { workspaceId: workspace.id, userId, title, options, baseModelId: base.id };
    await requireFreeTitle(tx, values);
    const [row] = await tx
      .insert(models)
      .values({ ...baseFactsOf(base), ...values })
      .returning();
    return await recorded(tx, deps, viewer, 'MODEL_VARIANT_CREATED', row as Model);
  });
  deps.changes.announce(workspace.id, [variant.id]);
  return variant;
}

/** Changes a variant. Fields that are left out stay as they are, each of the options too. */
export async function updateModelVariant(
  deps: VariantDeps,
  viewer: Viewer,
  input: {
    id: string;
    title?: string | null | undefined;
    options?: GivenOptions | null | undefined;
    forEverybody?: boolean | null | undefined;
  },
): Promise<Model> {
  const given = checkOptions('options', input.options ?? {});
  const title = input.title == null ? null : checkTitle(input.title);
  const variant = await change(deps, viewer, input.id, async (tx, before) => {
    const userId = ownerAfter(before, viewer, input.forEverybody ?? null);
    const { workspaceId } = before;
    if (userId !== before.userId) {
      await lockAndAuthorizeWorkspace(tx, viewer, workspaceId, 'manageModels');
      await requireRoom(tx, workspaceId, userId);
    }
    const after = {
      title: title ?? before.title,
      options: replaceOptions(before.options, given),
      userId,
    };
    requireTaken(deps.providers[before.provider], before, after.options, 'options');
    await requireFreeTitle(tx, { ...after, workspaceId }, before.id);
    const [row] = await tx
      .update(models)
      .set({ ...after, updatedAt: sql`now()` })
      .where(eq(models.id, before.id))
      .returning();
    return await recorded(tx, deps, viewer, 'MODEL_VARIANT_UPDATED', row as Model);
  });
  return variant;
}

/** Removes a variant and returns its id. Its answers stay, and show the options with which they were asked. */
export async function removeModelVariant(deps: VariantDeps, viewer: Viewer, id: string): Promise<string> {
  await change(deps, viewer, id, async (tx, variant) => {
    await tx.delete(models).where(eq(models.id, variant.id));
    return await recorded(tx, deps, viewer, 'MODEL_VARIANT_REMOVED', variant);
  });
  return id;
}

/** Whether the viewer may change and remove a model: only a variant, if it is their own or they may manage those for everybody. */
export function mayEditVariant(
  viewer: Viewer,
  tenant: Tenant | null,
  { baseModelId, userId }: Model,
): boolean {
  if (baseModelId === null || tenant === null) return false;
  return (userId === null || userId === viewer.id) && mayDo(tenant.viewerRole, actionFor(userId));
}

type Variant = Model & { workspaceId: string };

/** Changes a variant that the viewer may change: their own or, for an ADMIN, one for everybody. */
async function change(
  deps: VariantDeps,
  viewer: Viewer,
  id: string,
  write: (tx: Transaction, variant: Variant) => Promise<Model>,
): Promise<Model> {
  const { workspaceId, userId } = await requireVariant(deps, viewer, id);
  // Removing a variant nulls `model_id` on answers in another row order than a checkpoint locks them: retry deadlocks.
  const changed = await retryConflicts(() =>
    deps.db.transaction(async (tx) => {
      await lockAndAuthorizeWorkspace(tx, viewer, workspaceId, actionFor(userId));
      const variant = await requireVariant({ db: tx }, viewer, id);
      if (variant.userId !== userId) throw new ConflictError('This variant is being changed. Try again.');
      return await write(tx, variant);
    }),
  );
  deps.changes.announce(workspaceId, [id]);
  return changed;
}

async function requireVariant(deps: { db: Database }, viewer: Viewer, id: string): Promise<Variant> {
  const [model] = await findModels(deps, viewer, [id]);
  const isOwn = model?.userId === null || model?.userId === viewer.id;
  if (model === undefined || model.baseModelId === null || !isOwn) throw new NotFoundError('variant');
  return model as Variant;
}

/** What it takes to make or change a variant of this person; null for everybody. */
function actionFor(userId: string | null): Action {
  return userId === null ? 'manageModels' : 'chat';
}

function ownerAfter(before: Model, viewer: Viewer, forEverybody: boolean | null): string | null {
  if (forEverybody === null) return before.userId;
  return forEverybody ? null : viewer.id;
}

/** The title under which a variant is found, by everybody or by its maker. */
interface Titled {
  workspaceId: string;
  userId: string | null;
  title: string;
}

/** Throws ConflictError if another variant of the same audience has the title. To be called under the workspace's lock. */
async function requireFreeTitle(
  tx: Transaction,
  variant: Titled,
  exceptId: string | null = null,
): Promise<void> {
  const { workspaceId, userId, title } = variant;
  const taken = await tx
    .select({ id: models.id })
    .from(models)
    .where(
      and(
        isVariantFor(workspaceId, userId),
        eq(models.title, title),
        exceptId === null ? undefined : ne(models.id, exceptId),
      ),
    );
  if (taken.length === 0) return;
  const whose = userId === null ? 'for everybody' : 'of yours';
  throw new ConflictError(`There is another variant ${whose} with this title. Choose another title.`);
}

async function requireRoom(tx: Transaction, workspaceId: string, userId: string | null): Promise<void> {
  const [row] = await tx.select({ total: count() }).from(models).where(isVariantFor(workspaceId, userId));
  if ((row?.total ?? 0) < MAX_VARIANTS) return;
  throw new ConflictError(`There are ${MAX_VARIANTS} variants already, which is the most. Remove one first.`);
}

function isVariantFor(workspaceId: string, userId: string | null): SQL | undefined {
  return and(
    eq(models.tenantId, workspaceId),
    isNotNull(models.baseModelId),
    userId === null ? isNull(models.userId) : eq(models.userId, userId),
  );
}

async function recorded(
  tx: Transaction,
  deps: AuditDeps,
  viewer: Viewer,
  action: 'MODEL_VARIANT_CREATED' | 'MODEL_VARIANT_UPDATED' | 'MODEL_VARIANT_REMOVED',
  variant: Model,
): Promise<Model> {
  await recordAudit(tx, deps, variant.tenantId, {
    action,
    actorId: viewer.id,
    subjectId: variant.id,
    details: { name: variant.title, audience: variant.userId === null ? 'EVERYBODY' : 'MAKER' },
  });
  return variant;
}

const MAX_VARIANTS = 100; // for everybody, and of each person
