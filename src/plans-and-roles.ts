/** Plans from least to most; each includes the ones before it. */
export const PLANS = ['FREE', 'PREMIUM', 'BUSINESS'] as const;

export type Plan = (typeof PLANS)[number];

/** Roles in a workspace from most to least: each may do what the ones after it may. */
export const ROLES = ['OWNER', 'ADMIN', 'MEMBER', 'VIEWER'] as const;

export type Role = (typeof ROLES)[number];

/** Roles in a team, in the same order. */
export const TEAM_ROLES = ['OWNER', 'ADMIN', 'MEMBER'] as const satisfies readonly Role[];
