import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eq, sql } from 'drizzle-orm';
import { expect, test } from 'vitest';
import { openApp } from '../src/app.ts';
import { readConfig } from '../src/config.ts';
import { attachments, removedAttachments } from '../src/db/tables/attachment.ts';
import { nameOf } from '../src/files/store.ts';
import { sweepFiles } from '../src/files/sweep.ts';
import { announce, put, READ_WITHIN_MS, seen, storedNames, whenRead } from './kit/attachment.ts';
import { eventually } from './kit/eventually.ts';
import { type Person, personOf, signUp } from './kit/person.ts';
import { newPlace, ROUNDS, startServerProcess } from './kit/process.ts';
import { say } from './kit/say.ts';

const LONGEST_WAIT_MS = 300;
const LARGEST_BYTES = 256 * 1024;
const SENDERS = 3;
/** Of a sender in a round: each file is read afterwards, one at a time. */
const MOST_UPLOADS = 10;

test('a server that is killed during uploads, again and again, misses no file that it acknowledged and keeps nothing else', {
  timeout: 60_000 + ROUNDS * 40_000,
}, async () => {
  const folder = join(await mkdtemp(join(tmpdir(), 'latchkey-killed-')), 'files');
  const env = { ...(await newPlace()), LATCHKEY_FILES_DIR: folder, LATCHKEY_OPERATION_BURST: '100000' };
  const totals = { acknowledged: 0, cut: 0, completed: 0, unfinished: 0 };
  /** The hash of what was sent, by the id of its attachment. */
  const begun = new Map<string, string>();

  let server = await startServerProcess(env);
  let ada = await signUp(server.url);
  for (let round = 1; round <= ROUNDS; round++) {
    const acknowledged = new Set<string>();
    const uploads = Array.from({ length: SENDERS }, () => keepUploading(ada, begun, acknowledged));
    await sleep(Math.random() * LONGEST_WAIT_MS); // the moment is what chance shall decide
    server.process.kill('SIGKILL');
    await Promise.all([server.ended, ...uploads]);
    totals.unfinished += storedNames(folder).filter((name) => !name.startsWith('att_')).length;

    server = await startServerProcess(env);
    ada = await personOf(server.url, ada.email, ada.token);
    for (const [id, hash] of begun) {
      const isAcknowledged = acknowledged.has(id);
      totals[isAcknowledged ? 'acknowledged' : 'cut'] += 1;
      const found = isAcknowledged ? await whenRead(ada, id) : await whenAtRest(ada, id);
      if (isAcknowledged) expect(found).toMatchObject({ status: 'READY' });
      if (found.status !== 'READY') continue;
      if (!isAcknowledged) totals.completed += 1;
      expect(hashOf(await (await fetch(found.url ?? '')).bytes())).toBe(hash);
    }
    // Those of the last round stay.
    for (const id of round === ROUNDS ? [] : begun.keys())
      await ada.run('remove-attachment', { input: { id } });
    begun.clear();
  }
  server.process.kill('SIGTERM');
  expect((await server.ended).exitCode).toBe(0);

  const app = await openApp(readConfig({ ...env }), () => {});
  const { db } = app;
  const longAgo = sql`now() - interval '2 days'`;
  await db.update(attachments).set({ createdAt: longAgo }).where(eq(attachments.status, 'WAITING'));
  const twoDaysAgo = Date.now() / 1_000 - 48 * 3_600;
  const unfinished = join(folder, 'unfinished');
  for (const name of await readdir(unfinished)) await utimes(join(unfinished, name), twoDaysAgo, twoDaysAgo);
  await app.fileStore.clearLeftovers();
  await sweepFiles(app);
  await db.update(removedAttachments).set({ removedAt: longAgo });
  await sweepFiles(app);
  const rows = await db.select().from(attachments);
  expect(rows.filter(({ status }) => status !== 'READY')).toEqual([]);
  expect(await db.$count(removedAttachments)).toBe(0);
  const referred = rows.flatMap((row) => [nameOf(row, 'file'), nameOf(row, 'text')]);
  expect(storedNames(folder).sort()).toEqual(referred.sort());
  await app.close();
  say(
    `kill -9 during uploads, ${ROUNDS} times: ${totals.acknowledged} acknowledged, none missing or changed; ${totals.cut} cut, of ` +
      `which ${totals.completed} had arrived; ${totals.unfinished} unfinished files were left, and none after the sweep`,
  );
});

/** Uploads files one after another until the server is gone, and notes those that were acknowledged. */
async function keepUploading(
  person: Person,
  begun: Map<string, string>,
  acknowledged: Set<string>,
): Promise<void> {
  for (let uploads = 0; uploads < MOST_UPLOADS; uploads++) {
    const bytes = Buffer.from(
      randomBytes(1 + Math.floor((Math.random() * LARGEST_BYTES) / 2)).toString('hex'),
    );
    const created = await announce(person, bytes.length).catch(() => undefined);
    if (created?.attachment === undefined) return;
    const { id } = created.attachment;
    begun.set(id, hashOf(bytes));
    const response = await put(created.upload, bytes).catch(() => undefined);
    if (response === undefined) return;
    expect(response.status).toBe(204);
    acknowledged.add(id);
  }
}

/** A file whose upload was cut: it waits for another one, or had arrived all the same. */
async function whenAtRest(person: Person, id: string) {
  const look = async () => {
    const found = await seen(person, id);
    return found !== null && found.status !== 'READING' && found;
  };
  return await eventually(`${id} is at rest`, look, READ_WITHIN_MS);
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
