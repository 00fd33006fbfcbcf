import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { expect, test } from 'vitest';
import { attachments } from '../src/db/tables/attachment.ts';
import { sweepFiles } from '../src/files/sweep.ts';
import { announce, beginUpload, put, seen, whenRead } from './kit/attachment.ts';
import { freshDatabase } from './kit/database.ts';
import { eventually } from './kit/eventually.ts';
import { EACH_FILE_PLACE } from './kit/file-place.ts';
import { say } from './kit/say.ts';
import { startTestServer } from './kit/server.ts';

const SIZE_BYTES = 300 * 1024; // several of the pieces that are sealed one by one
const AT_BORDERS = [0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, SIZE_BYTES - 1];
const CUTS = Number(process.env.LATCHKEY_TEST_ROUNDS ?? 10) + AT_BORDERS.length;

test.each(EACH_FILE_PLACE)(
  'an upload to %s that is cut at any point leaves nothing, and can be repeated',
  {
    timeout: 60_000 + CUTS * 2_000,
  },
  async (title, open) => {
    await using place = await open();
    // The sweep looks at all files, and those of other tests are none of its business.
    await using server = await startTestServer(place.env, { database: await freshDatabase() });
    const people = [await server.signUp(), await server.signUp()]; // each may keep a hundred files
    const bytes = Buffer.from(randomBytes(SIZE_BYTES / 2).toString('hex'));
    const { db } = server.app;
    for (let cut = 0; cut < CUTS; cut++) {
      const person = people[cut % people.length] ?? expect.unreachable();
      const { attachment, upload } = await announce(person, SIZE_BYTES);
      const sent = AT_BORDERS[cut] ?? Math.floor(Math.random() * SIZE_BYTES);
      const { socket, answer } = await beginUpload(
        upload,
        { 'Content-Length': SIZE_BYTES },
        bytes.subarray(0, sent),
      );
      await eventually('its bytes are being written', () => place.unfinished().length > 0);
      socket.resetAndDestroy();
      expect(await answer).toBe('');
      await eventually('its bytes are gone', () => place.unfinished().length === 0);
      expect(place.names()).toEqual([]);
      expect(await seen(person, attachment.id)).toMatchObject({ status: 'WAITING', url: null });
      if (cut % 10 > 0) continue;
      expect((await put(upload, bytes)).status).toBe(204);
      const read = await whenRead(person, attachment.id);
      expect(Buffer.from(await (await fetch(read.url ?? '')).bytes()).equals(bytes)).toBe(true);
      await person.run('remove-attachment', { input: { id: attachment.id } });
      await sweepFiles(server.app);
      expect(place.names()).toEqual([]);
    }
    await db.update(attachments).set({ createdAt: sql`now() - interval '27 minutes'` });
    await sweepFiles(server.app);
    expect([await db.$count(attachments), place.names(), place.unfinished()]).toEqual([0, [], []]);
    say(`${CUTS} uploads to ${title} cut at random points: 0 rows and 0 bytes are left after the sweep`);
  },
);
