import { Cleanup } from '../cleanup.ts';
import { measurementsOf, type Rounds, rowsOf } from '../measurement.ts';
import { median } from '../quantile.ts';
import type { Scenario } from '../scenario.ts';
import { startFleet } from '../servers/fleet.ts';
import { startRedis } from '../servers/redis.ts';
import type { Stage } from '../stage.ts';
import { BUS_COMMANDS, EXTRA, measureBus } from './fleet-bus.ts';
import { measureRestart } from './fleet-restart.ts';
import { measureScale } from './fleet-scale.ts';

/** Several servers on one PostgreSQL and one Redis. */
export const fleet: Scenario = {
  name: 'fleet',
  about:
    'Several servers share a PostgreSQL and a Redis of its own. "N watchers": one server writes 100 answers at the pace of a model, each ' +
    'followed only at the other one, as many of them by N watchers as come to 100, and the others by one. CPU is that of both servers ' +
    'and Redis, per token of an answer, however many are given it; "µs more" is what that is above the lone server which does both, ' +
    'in the same round. "N servers": 100 answers, each with one watcher, start at once, and then come eight tokens in a piece as fast as they ' +
    'are taken; milliseconds are from asking to the first token at the watcher. "Restart": 2,000 clients of graphql-ws follow 40 answers through one ' +
    'address, and each of two servers in turn is stopped with SIGTERM and started again; milliseconds are from the signal until each ' +
    'client that had to move is back.',
  isPinned: false,
  async measure(stage) {
    const rounds = [...((await onServers(stage)) ?? []), [...((await measureRestart(stage)) ?? [])]];
    return rounds.filter((round) => round.length > 0);
  },
  verdict(rounds) {
    const most = (name: string) => {
      const values = rowsOf(rounds).flatMap((row) => {
        const known = measurementsOf(rounds, row).flatMap(({ more }) => more?.[name] ?? []);
        return known.length === 0 || row.mode.startsWith('one answer') ? [] : [median(known)];
      });
      return values.length === 0 ? undefined : Math.max(...values);
    };
    const [commands, extra] = [most(BUS_COMMANDS), most(EXTRA)];
    if (commands === undefined || extra === undefined) return undefined;
    return `fleet ${commands.toFixed(3)} commands a token, ${extra.toFixed(0)} us more a token`;
  },
};

const PEOPLE = 20;

/** What is measured on the same servers, a lone one and four others. Undefined where there is no PostgreSQL or no Redis. */
async function onServers(stage: Stage): Promise<Rounds | undefined> {
  const cleanup = new Cleanup();
  try {
    const redis = await startRedis(cleanup);
    if (redis === undefined) {
      stage.say('  left out: there is no redis-server on this machine');
      return undefined;
    }
    stage.say('  starting the servers');
    const setting = stage.setting(cleanup);
    const lone = await startFleet(setting, undefined, { people: PEOPLE });
    const several = await startFleet(setting, redis, { people: PEOPLE });
    if (lone === undefined || several === undefined) {
      stage.say('  left out: no PostgreSQL answers');
      return undefined;
    }
    await several.start();
    const bus = await measureBus(stage, lone, several);
    await several.start();
    await several.start();
    return [...bus, ...(await measureScale(stage, lone, several))];
  } finally {
    await cleanup.run();
  }
}
