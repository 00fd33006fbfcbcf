import { NO_BUS } from '../../src/bus/in-process.ts';
import { DatabaseAwayError } from '../../src/db/connection.ts';
import { drizzleOver, lendersOf } from '../../src/db/driver.ts';
import { FLEET_TIMES, type FleetTimes } from '../../src/fleet/times.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { freshDatabase } from './database.ts';
import type { MemoryBusHub } from './memory-bus.ts';
import { type Person, personOf } from './person.ts';
import { SECRETS } from './process.ts';
import { startTestServer, type TestServer } from './server.ts';

/** A server whose heartbeats a test can hold back. */
export interface FleetServer extends TestServer {
  /** Lets its heartbeats fail, so that the others take it for dead. */
  freeze(): void;
  /** Lets them through again, as when a paused process goes on. */
  thaw(): void;
}

/** Several servers on one new database. */
export interface Fleet extends AsyncDisposable {
  servers: [FleetServer, FleetServer, ...FleetServer[]];
  simulator: TestServer['simulator'];
  /** Starts one more. */
  join(): Promise<FleetServer>;
}

export async function startFleet(
  size = 2,
  {
    env = {},
    times = FLEET_TIMES,
    hub,
  }: {
    env?: Readonly<Record<string, string>>;
    times?: FleetTimes;
    /** What carries between the servers; without it they have the database alone. */
    hub?: MemoryBusHub | undefined;
  } = {},
): Promise<Fleet> {
  const opened = await freshDatabase();
  const simulator = await startSimulator({ paceMs: 0 });
  const { alone } = lendersOf(opened.db);
  const servers: FleetServer[] = [];
  async function join(): Promise<FleetServer> {
    let isFrozen = false;
    const heartbeatDb = drizzleOver((work) =>
      isFrozen ? Promise.reject(new DatabaseAwayError('NO_REPLY')) : alone(work),
    );
    const server = await startTestServer(
      { ...SECRETS, ...env },
      {
        simulator,
        database: { ...opened, heartbeatDb, close: async () => {} }, // a server that stops leaves it to the others
        fleet: { isShared: true, times, bus: hub?.join() ?? NO_BUS },
      },
    );
    const freezable = {
      ...server,
      freeze() {
        isFrozen = true;
      },
      thaw() {
        isFrozen = false;
      },
    };
    servers.push(freezable);
    return freezable;
  }
  for (let count = 0; count < size; count++) await join();
  return {
    servers: servers as Fleet['servers'],
    simulator,
    join,
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server.close()));
      await simulator.close();
      await opened.close();
    },
  };
}

/** The same person with the same session, through another server. */
export async function through(server: Pick<TestServer, 'url'>, { email, token }: Person): Promise<Person> {
  return await personOf(server.url, email, token);
}
