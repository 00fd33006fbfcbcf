import { documentOf, type GraphQLResponse } from './person.ts';

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

/** Sends a document with this token, or with none. */
export async function postAsOperator(
  url: string,
  variables: object,
  headers: Record<string, string> = { 'x-latchkey-operator-token': OPERATOR_TOKEN },
  operation = 'set-plan',
): Promise<{ status: number; headers: Headers; text: string; body: GraphQLResponse }> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query: documentOf(operation), variables }),
  });
  const text = await response.text();
  const isJson = text.startsWith('{');
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : {} };
}
