import { rawBody } from './api-key.ts';
import type { Person } from './person.ts';

/** An answer with the keys that were asked for it, as one reader sees them. */
export interface AttemptedAnswer {
  status: string;
  text: string;
  paidBy: string;
  apiKey: { label: string } | null;
  error: { code: string; message: string; fixableBy: string } | null;
  attempts: {
    apiKey: { label: string } | null;
    startedAt: string;
    error: { code: string; message: string } | null;
  }[];
}

export async function readAttempts(reader: Person, answerId: string): Promise<AttemptedAnswer> {
  const { data } = await rawBody(
    reader,
    `query ($id: ID!) { node(id: $id) { ... on Answer {
      status text paidBy apiKey { label } error { code message fixableBy }
      attempts { apiKey { label } startedAt error { code message } } } } }`,
    { id: answerId },
  );
  return data.node as AttemptedAnswer;
}
