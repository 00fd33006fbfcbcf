import type { Connection } from './connection.ts';

/** Names the session of a connection for as long as the server runs; process ids alone are used again. */
export async function nameSession(connection: Connection): Promise<string> {
  const [row] = await connection.run(
    (client) => client<{ name: string }[]>`
      select pid || ' ' || backend_start as name from pg_stat_activity where pid = pg_backend_pid()`,
  );
  return row?.name ?? '';
}

/** Takes the lock for the session of this connection. False if another one has it. */
export async function tryToHold(connection: Connection): Promise<boolean> {
  const [row] = await connection.run((client) => client`select pg_try_advisory_lock(${LOCK}) as held`);
  return row?.held === true;
}

export async function isHeld(connection: Connection): Promise<boolean> {
  const rows = await connection.run(
    (client) => client`
      select 1 from pg_locks where locktype = 'advisory' and objid = ${LOCK} and pid = pg_backend_pid() and granted`,
  );
  return rows.length > 0;
}

/** Ends what there is of these sessions besides that of the connection itself. False if there is none. */
export async function endSessions(connection: Connection, names: readonly string[]): Promise<boolean> {
  const rows = await connection.run(
    (client) => client`
      select pg_terminate_backend(pid) from pg_stat_activity
      where pid || ' ' || backend_start = any (${[...names]}) and pid <> pg_backend_pid()`,
  );
  return rows.length > 0;
}

/** Who has the lock, for people. */
export async function nameHolder(connection: Connection): Promise<string> {
  const [row] = await connection.run(
    (client) => client<{ name: string; since: string }[]>`
      select activity.application_name as name, to_char(activity.backend_start at time zone 'UTC', ${ISO_TIME}) as since
      from pg_locks as lock join pg_stat_activity as activity using (pid)
      where lock.locktype = 'advisory' and lock.objid = ${LOCK} and lock.granted
        and lock.database = (select oid from pg_database where datname = current_database())`,
  );
  return row === undefined ? 'one that has just begun' : `${row.name}, since ${row.since}`;
}

const LOCK = 7_345_002; // beside the lock of migrate.ts
const ISO_TIME = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';
