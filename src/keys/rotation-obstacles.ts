import type { Database } from '../db/database.ts';
import { findRunningServers } from '../fleet/running-servers.ts';

/** Why a command must not seal with this root key now: one sentence for each running server that lacks it. */
export async function findRotationObstacles(db: Pick<Database, 'select'>, rootId: string): Promise<string[]> {
  const without = (await findRunningServers(db)).filter(({ rootIds }) => !rootIds.includes(rootId));
  return without.map(
    ({ name, rootIds }) =>
      `Nothing was changed: ${name}, is running with ${rootIds.join(', ')} and could not open what is sealed with ${rootId}. ` +
      `Give it ${rootId} as well and restart it, or stop it; if it has crashed, wait half a minute. Then run this again.`,
  );
}
