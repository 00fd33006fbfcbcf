import { InvalidInputError, NotPermittedError } from '../errors.ts';
import { ROLES, type Role } from '../plans-and-roles.ts';

/**
 * The actions in a workspace and in a team, with the least role that may: the one table behind the code,
 * docs/plans-and-roles.md and the tests. `words` complete "your role does not allow you to …".
 */
export const ACTIONS = {
  read: { in: ['workspace', 'team'], role: 'VIEWER', words: 'see this' },
  chat: { in: ['workspace'], role: 'MEMBER', words: 'write here' },
  manageThreads: { in: ['workspace'], role: 'ADMIN', words: 'manage the threads of others' },
  manageKeys: { in: ['workspace', 'team'], role: 'ADMIN', words: 'manage API keys here' },
  manageModels: { in: ['workspace'], role: 'ADMIN', words: 'manage models for everybody here' },
  manageMembers: { in: ['workspace', 'team'], role: 'ADMIN', words: 'manage members here' },
  readAuditLog: { in: ['workspace', 'team'], role: 'ADMIN', words: 'read the audit log' },
  rename: { in: ['workspace', 'team'], role: 'ADMIN', words: 'rename this' },
  createTeamWorkspace: { in: ['team'], role: 'ADMIN', words: 'create workspaces of this team' },
  transfer: { in: ['workspace', 'team'], role: 'OWNER', words: 'hand this over to another person' },
  delete: { in: ['workspace', 'team'], role: 'OWNER', words: 'delete this' },
} as const satisfies Record<string, { in: readonly ('workspace' | 'team')[]; role: Role; words: string }>;

export type Action = keyof typeof ACTIONS;

/** Whether a role may do the action. */
export function mayDo(role: Role, action: Action): boolean {
  return ROLES.indexOf(role) <= ROLES.indexOf(ACTIONS[action].role);
}

/** All roles that may do the action. */
export function rolesThatMay(action: Action): Role[] {
  return ROLES.filter((role) => mayDo(role, action));
}

/** Throws NotPermittedError unless the role may do the action. */
export function requireRole(role: Role, action: Action): void {
  if (!mayDo(role, action)) throw new NotPermittedError(ACTIONS[action].role, ACTIONS[action].words);
}

/** A role that one member can give to another: of a workspace, and of a team. */
export type GivenRole = { workspace: Exclude<Role, 'OWNER'>; team: Exclude<Role, 'OWNER' | 'VIEWER'> };

/** The role as one that can be given in a workspace or in a team. Throws InvalidInputError. */
export function givenRole<Type extends keyof GivenRole>(type: Type, role: Role): GivenRole[Type];
export function givenRole(type: keyof GivenRole, role: Role): Exclude<Role, 'OWNER'> {
  if (role === 'OWNER')
    throw new InvalidInputError(
      'role',
      'There is one OWNER, and only the OWNER can make another person it, by handing it over.',
    );
  if (role === 'VIEWER' && type === 'team')
    throw new InvalidInputError(
      'role',
      'A team has no VIEWER. Give MEMBER, and VIEWER in those of its workspaces where it fits.',
    );
  return role;
}
