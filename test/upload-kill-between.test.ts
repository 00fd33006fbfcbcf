import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { expect, test } from 'vitest';
import { openApp } from '../src/app.ts';
import { readConfig } from '../src/config.ts';
import { attachments, removedAttachments } from '../src/db/tables/attachment.ts';
import { nameOf } from '../src/files/store.ts';
import { sweepFiles } from '../src/files/sweep.ts';
import { announce, put, seen, whenRead } from './kit/attachment.ts';
import { eventually } from './kit/eventually.ts';
import { EACH_FILE_PLACE } from './kit/file-place.ts';
import { personOf, signUp } from './kit/person.ts';
import { newPlace, startServerProcess } from './kit/process.ts';
import { say } from './kit/say.ts';

const ROUNDS = Number(process.env.LATCHKEY_TEST_ROUNDS ?? 1);

test.each(EACH_FILE_PLACE)(
  'a server that is killed between the bytes in %s and their row says nothing that is not so, and keeps nothing else',
  {
    timeout: 60_000 + ROUNDS * 60_000,
  },
  async (title, open) => {
    const database = await newPlace();
    await using place = await open(database.LATCHKEY_DATA_DIR);
    const env = { ...place.env, ...database };
    const totals = { between: 0, acknowledged: 0 };

    let server = await startServerProcess(env);
    let ada = await signUp(server.url);
    for (let round = 1; round <= ROUNDS; round++) {
      const bytes = Buffer.from(randomBytes(100_000).toString('hex'));
      const { attachment, upload } = await announce(ada, bytes.length);
      const kept = place.untilKept();
      const sending = put(upload, bytes).then(
        ({ status }) => status,
        () => null,
      );
      await kept;
      server.process.kill('SIGKILL');
      await server.ended;
      const status = await sending;

      server = await startServerProcess(env);
      ada = await personOf(server.url, ada.email, ada.token);
      const ofThis = () => place.names().filter((name) => name.startsWith(attachment.id));
      const found = await seen(ada, attachment.id);
      if (found?.status === 'WAITING') {
        totals.between += 1;
        expect(status).toBeNull();
        expect(ofThis()).toEqual([`${attachment.id}.1`]);
        const there = new URL(upload.url);
        const again = { ...upload, url: new URL(there.pathname + there.search, server.url).href };
        expect((await put(again, bytes)).status).toBe(204);
      }
      if (status === 204) totals.acknowledged += 1;
      const read = await whenRead(ada, attachment.id);
      expect(read).toMatchObject({ status: 'READY' });
      expect(Buffer.from(await (await fetch(read.url ?? '')).bytes()).equals(bytes)).toBe(true);
      await eventually('the bytes of the first upload are gone', () => ofThis().length === 2);
      if (round < ROUNDS) await ada.run('remove-attachment', { input: { id: attachment.id } });
    }
    server.process.kill('SIGTERM');
    expect((await server.ended).exitCode).toBe(0);
    const app = await openApp(readConfig(env), () => {});
    await app.db.update(removedAttachments).set({ removedAt: sql`now() - interval '2 days'` });
    await sweepFiles(app);
    const rows = await app.db.select().from(attachments);
    expect(rows).toHaveLength(1);
    const referred = rows.flatMap((row) => [nameOf(row, 'file'), nameOf(row, 'text')]);
    expect(place.names().sort()).toEqual(referred.sort());
    await app.close();
    say(
      `kill -9 between the bytes in ${title} and their row, ${ROUNDS} times: ${totals.between} came in between, ` +
        `${totals.acknowledged} after the acknowledgement`,
    );
  },
);
