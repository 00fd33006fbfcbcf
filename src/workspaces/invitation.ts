import { createHash, randomBytes } from 'node:crypto';
import { and, eq, gt, inArray, or, type SQL, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { type Page, type PageInput, readPage } from '../db/page.ts';
import { invitations } from '../db/tables/invitation.ts';
import { teamMembers } from '../db/tables/team.ts';
import { workspaceMembers } from '../db/tables/workspace.ts';
import { BusyError } from '../errors.ts';
import type { CreateWindow, SlidingWindow } from '../limits/sliding-window.ts';
import { type GivenRole, mayDo, rolesThatMay } from './permissions.ts';
import { findTenants, type Tenant } from './tenant.ts';

/** An open invitation, as members who manage members see it. Its token accepts it for any person. */
export interface Invitation {
  id: string;
  tenantId: string;
  role: GivenRole['workspace'];
  createdBy: string;
  createdAt: Date;
  expiresAt: Date;
}

/** The open invitations into a workspace or team, oldest first; null if the viewer may not manage its members. */
export async function listInvitations(
  { db }: { db: Pick<Database, 'select'> },
  tenant: Tenant,
  page: PageInput,
): Promise<Page<Invitation> | null> {
  if (!mayDo(tenant.viewerRole, 'manageMembers')) return null;
  return await readPage<Invitation>(page, {
    column: invitations.id,
    order: 'ascending',
    maxRows: 100,
    valueOf: (invitation) => invitation.id,
    read: (conditions, orderBy, limit) =>
      db
        .select(invitationColumns)
        .from(invitations)
        .where(and(isInto(tenant.id), isOpen(), ...conditions))
        .orderBy(orderBy)
        .limit(limit),
  });
}

/** The open invitations with these ids into workspaces and teams whose members the viewer may manage. */
export async function findInvitations(
  deps: { db: Database },
  viewer: Viewer,
  ids: readonly string[],
): Promise<Invitation[]> {
  const rows = await deps.db
    .select(invitationColumns)
    .from(invitations)
    .where(and(inArray(invitations.id, idsOf('inv', ids)), isOpen()));
  const tenantIds = rows.map(({ tenantId }) => tenantId);
  const tenants = rows.length === 0 ? [] : await findTenants(deps, viewer, tenantIds);
  const managed = tenants.filter(({ viewerRole }) => mayDo(viewerRole, 'manageMembers')).map(({ id }) => id);
  return rows.filter(({ tenantId }) => managed.includes(tenantId));
}

/**
 * Whether an invitation can be accepted now: it has not expired, and its creator may still manage members. That is read with
 * each query and not stored, so every way of losing the right closes it, and getting the right back opens it again.
 */
export function isOpen(): SQL | undefined {
  const managers = rolesThatMay('manageMembers');
  const isMadeBy = (member: typeof teamMembers.userId | typeof workspaceMembers.userId) =>
    eq(member, invitations.createdBy);
  return and(
    gt(invitations.expiresAt, sql`now()`),
    or(
      sql`exists (select from ${workspaceMembers} where ${and(
        eq(workspaceMembers.workspaceId, invitations.workspaceId),
        isMadeBy(workspaceMembers.userId),
        inArray(workspaceMembers.role, managers),
      )})`,
      sql`exists (select from ${teamMembers} where ${and(
        eq(teamMembers.teamId, invitations.teamId),
        isMadeBy(teamMembers.userId),
        inArray(
          teamMembers.role,
          managers.filter((role) => role !== 'VIEWER'),
        ),
      )})`,
    ),
  );
}

/** Whether an invitation is for this workspace or team. */
export function isInto(tenantId: string): SQL | undefined {
  return or(eq(invitations.workspaceId, tenantId), eq(invitations.teamId, tenantId));
}

export const invitationColumns = {
  id: invitations.id,
  tenantId: sql<string>`coalesce(${invitations.workspaceId}, ${invitations.teamId})`,
  role: invitations.role,
  createdBy: invitations.createdBy,
  createdAt: invitations.createdAt,
  expiresAt: invitations.expiresAt,
};

/** A random token and its hash. Only the hash is stored, so that a dump of the database accepts no invitation. */
export function newInvitationToken(): { token: string; tokenHash: Uint8Array } {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  return { token, tokenHash: hashInvitationToken(token) };
}

/** SHA-256 without salt or cost factor, which is enough for 256 random bits. */
export function hashInvitationToken(token: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(token).digest());
}

const TOKEN_BYTES = 32;

/** Limits the tries of invitation tokens per person, against guessing. */
export class InvitationLimits {
  readonly #tries: SlidingWindow;

  constructor(createWindow: CreateWindow) {
    this.#tries = createWindow('invitations', WINDOW_MS);
  }

  /** Counts one try by this person. Throws BusyError over the limit. */
  async take(viewer: Viewer): Promise<void> {
    const retryAt = await this.#tries.take([{ subject: `person ${viewer.id}`, most: TRIES_PER_PERSON }]);
    if (retryAt !== null)
      throw new BusyError(
        'You have tried too many invitations in the last 10 minutes. Wait a little, then try again.',
        retryAt,
      );
  }
}

const TRIES_PER_PERSON = 20; // enough for a link that is copied wrongly a few times
const WINDOW_MS = 10 * 60 * 1_000;
