import { expect, test } from 'vitest';
import { newWorkspace } from './kit/people.ts';
import { post } from './kit/person.ts';
import { useSite } from './kit/site.ts';

/** What an operation costs cannot all be known before it runs: a list may be any size, and so may a text. */

const site = useSite();

/** Asks for one object many times over. */
async function readOver(times: number, id: string, selection: string) {
  return await post(site.server.url, site.ada.token, {
    query: `query ($ids: [ID!]!) { nodes(ids: $ids) { ${selection} } }`,
    variables: { ids: Array.from({ length: times }, () => id) },
  });
}

test('an operation reads two hundred lists and no more', async () => {
  const id = await newWorkspace(site.ada);
  const lists = (...names: string[]) =>
    `... on Workspace { ${names.map((name) => `${name}: invitations(first: 1) { nodes { id } }`).join(' ')} }`;
  expect((await readOver(100, id, lists('a', 'b'))).errors).toBeUndefined();
  expect((await readOver(100, id, lists('a', 'b', 'c'))).errors?.[0]).toMatchObject({
    message: 'The operation reads more than 200 lists. Ask for fewer items, or for fewer lists of each.',
    extensions: { code: 'DOCUMENT_LIMIT' },
  });
});

test('a response holds 32 MiB of text and no more', async () => {
  const { models } = await site.ada.addKey();
  const text = 'x'.repeat(256 * 1024);
  const { userMessage } = await site.ada.ask(text, models.slice(0, 1));
  const texts = '... on Message { a: text b: text }';
  expect((await readOver(64, userMessage.id, texts)).errors).toBeUndefined();
  expect((await readOver(65, userMessage.id, texts)).errors?.[0]).toMatchObject({
    message: 'The messages are too long to be read all at once. Ask for smaller pages (`first`, `last`).',
    extensions: { code: 'DOCUMENT_LIMIT' },
  });
});
