import { sql } from 'drizzle-orm';
import { expect, test } from 'vitest';
import { sharedDatabase } from './kit/database.ts';

test('the event loop turns between replies of the database with which much is done', async () => {
  const { db } = await sharedDatabase();
  let turn = 0;
  let isOver = false;
  const count = () => {
    turn += 1;
    if (!isOver) setImmediate(count);
  };
  count();
  const turns: number[] = [];
  const work = async () => {
    await db.execute(sql`select 1`);
    turns.push(turn);
    const until = performance.now() + 5;
    while (performance.now() < until);
  };
  await Promise.all(Array.from({ length: 30 }, work));
  isOver = true;
  expect(new Set(turns).size).toBe(30);
});
