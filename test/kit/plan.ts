import type { App } from '../../src/app.ts';
import { teams } from '../../src/db/tables/team.ts';
import { memberships, workspaces } from '../../src/db/tables/workspace.ts';
import { documentOf, type GraphQLResponse, type Person } from './person.ts';

/** Random, as the server demands. */
export const OPERATOR_TOKEN = 'mB3xQy7ZrK1oVd9NfLw5TgUe2HsCjA8iPqXn4RtYvJk=';

/** What setting a plan gives: the fields of its payload, or those of an error. */
export interface SetPlanResult {
  __typename: string;
  userId: string | null;
  teamId: string | null;
  plan: string;
  previousPlan: string;
  isDefault: boolean;
  workspaceCount: number;
  code: string;
  message: string;
  fixableBy: string;
}

/** Sets a plan as a billing system does. Null is the server's default. */
export async function setPlan(
  { url }: { url: string },
  payer: { userId: string } | { teamId: string } | { email: string },
  plan: string | null,
): Promise<SetPlanResult> {
  const { body } = await postAsOperator(url, { input: { ...payer, plan } });
  if (body.data == null) throw new Error(JSON.stringify(body));
  return body.data.setPlan as SetPlanResult;
}

/** Sends the document `set-plan` with this token, or with none. */
export async function postAsOperator(
  url: string,
  variables: object,
  headers: Record<string, string> = { 'x-latchkey-operator-token': OPERATOR_TOKEN },
): Promise<{ status: number; headers: Headers; text: string; body: GraphQLResponse }> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query: documentOf('set-plan'), variables }),
  });
  const text = await response.text();
  const isJson = text.startsWith('{');
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : {} };
}

/** A shared workspace that this person owns and pays for. */
export async function makeSharedWorkspace({ db }: App, owner: { id: string }): Promise<string> {
  const [row] = await db
    .insert(workspaces)
    .values({ kind: 'SHARED', name: 'Shared', ownerUserId: owner.id })
    .returning({ id: workspaces.id });
  return row?.id ?? '';
}

/** A team that this person owns, with one workspace. */
export async function makeTeam(
  { db }: App,
  owner: { id: string },
): Promise<{ teamId: string; workspaceId: string }> {
  const [team] = await db
    .insert(teams)
    .values({ name: 'Team', ownerUserId: owner.id })
    .returning({ id: teams.id });
  const teamId = team?.id ?? '';
  const [row] = await db
    .insert(workspaces)
    .values({ kind: 'SHARED', name: 'Of the team', teamId })
    .returning({ id: workspaces.id });
  return { teamId, workspaceId: row?.id ?? '' };
}

/** Lets somebody into a workspace. */
export async function letIn(
  { db }: App,
  workspaceId: string,
  person: Pick<Person, 'id'>,
  role: 'ADMIN' | 'MEMBER' | 'VIEWER' = 'MEMBER',
): Promise<void> {
  await db.insert(memberships).values({ workspaceId, userId: person.id, role });
}
