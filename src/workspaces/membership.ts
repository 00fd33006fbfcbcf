import { NotPermittedError } from '../errors.ts';

/** From most to least: whoever may do a thing, every role before it may too. */
export const ROLES = ['OWNER', 'ADMIN', 'MEMBER', 'VIEWER'] as const;

export type Role = (typeof ROLES)[number];

/** What can be done in a workspace, and the least role that may. `words` complete "your role does not allow you to …". */
export const ACTIONS = {
  read: { role: 'VIEWER', words: 'see this workspace' },
  chat: { role: 'MEMBER', words: 'write in this workspace' },
  manageThreads: { role: 'ADMIN', words: 'manage the threads of this workspace' },
  manageKeys: { role: 'ADMIN', words: 'manage the API keys of this workspace' },
} as const satisfies Record<string, { role: Role; words: string }>;

export type Action = keyof typeof ACTIONS;

/** Whether a role may do it. */
export function mayDo(role: Role, action: Action): boolean {
  return ROLES.indexOf(role) <= ROLES.indexOf(ACTIONS[action].role);
}

/** Throws NotPermittedError unless the role may do it. */
export function requireRole(role: Role, action: Action): void {
  if (!mayDo(role, action)) throw new NotPermittedError(ACTIONS[action].role, ACTIONS[action].words);
}
