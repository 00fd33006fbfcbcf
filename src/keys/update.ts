import { eq } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { AuditEvent } from '../audit/action.ts';
import { recordAudit } from '../audit/record-audit.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { type ApiKey, changeApiKey, checkLabel, type KeyDeps, requireApiKey } from './api-key.ts';
import { nextRecheckAt } from './health.ts';
import { checkPosition, moveKey } from './order.ts';

/** Changes the label, switch, expiry or position of a key. Fields that are left out stay as they are. */
export async function updateApiKey(
  deps: Pick<KeyDeps, 'db' | 'changes' | 'rootKeys'>,
  viewer: Viewer,
  input: {
    id: string;
    label?: string | null | undefined;
    isEnabled?: boolean | null | undefined;
    /** An explicit null removes the expiry. */
    expiresAt?: Date | null | undefined;
    position?: number | null | undefined;
  },
): Promise<ApiKey> {
  const label = input.label == null ? undefined : checkLabel(input.label);
  const position = input.position == null ? undefined : checkPosition(input.position);
  return await changeApiKey(deps, viewer, input.id, async (tx, before) => {
    const after = {
      label: label ?? before.label,
      isEnabled: input.isEnabled ?? before.isEnabled,
      expiresAt: input.expiresAt === undefined ? before.expiresAt : input.expiresAt,
    };
    const isMoved = position !== undefined && (await moveKey(tx, before, position));
    // A key that was switched off or expired was not checked meanwhile.
    const recheckAt = usabilityChanged(before, after)
      ? nextRecheckAt({ ...before, refusedAt: null }, new Date(), 1)
      : undefined;
    await tx
      .update(apiKeys)
      .set({ ...after, recheckAt })
      .where(eq(apiKeys.id, before.id));
    for (const event of eventsOf(viewer, before, after, isMoved))
      await recordAudit(tx, deps, before.tenantId, event);
    return await requireApiKey({ ...deps, db: tx }, viewer, before.id);
  });
}

type Changeable = Pick<ApiKey, 'label' | 'isEnabled' | 'expiresAt'>;

function eventsOf(viewer: Viewer, before: ApiKey, after: Changeable, isMoved: boolean): AuditEvent[] {
  const by = { actorId: viewer.id, subjectId: before.id };
  const details = { provider: before.provider, label: after.label };
  const changed = (change: 'LABEL' | 'EXPIRY' | 'POSITION'): AuditEvent => ({
    action: 'KEY_CHANGED',
    ...by,
    details: { ...details, change },
  });
  const events: AuditEvent[] = [];
  if (after.label !== before.label) events.push(changed('LABEL'));
  if (isOtherExpiry(before, after)) events.push(changed('EXPIRY'));
  if (isMoved) events.push(changed('POSITION'));
  if (after.isEnabled !== before.isEnabled)
    events.push({ action: after.isEnabled ? 'KEY_ENABLED' : 'KEY_DISABLED', ...by, details });
  return events;
}

function usabilityChanged(before: Changeable, after: Changeable): boolean {
  return after.isEnabled !== before.isEnabled || isOtherExpiry(before, after);
}

function isOtherExpiry(before: Changeable, after: Changeable): boolean {
  return before.expiresAt?.getTime() !== after.expiresAt?.getTime();
}
