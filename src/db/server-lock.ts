import type { Connection } from './connection.ts';

/** Name of the session of a connection, unique while PostgreSQL runs; process ids alone are reused. */
export async function nameSession(connection: Connection): Promise<string> {
  const [row] = await connection.run(
    (client) => client<{ name: string }[]>`
      select pid || ' ' || backend_start as name from pg_stat_activity where pid = pg_backend_pid()`,
  );
  return row?.name ?? '';
}

/** `alone`: no other server may use the database. `shared`: others may that hold it in this mode too. */
export type LockMode = 'alone' | 'shared';

/** Takes the lock for the session of this connection. False if another one has it in a mode that excludes this one. */
export async function tryLockSession(connection: Connection, mode: LockMode): Promise<boolean> {
  const [row] = await connection.run((client) =>
    mode === 'alone'
      ? client`select pg_try_advisory_lock(${LOCK}) as held`
      : client`select pg_try_advisory_lock_shared(${LOCK}) as held`,
  );
  return row?.held === true;
}

/** Whether the session of this connection has the lock. */
export async function hasLock(connection: Connection): Promise<boolean> {
  const rows = await connection.run(
    (client) => client`
      select 1 from pg_locks where locktype = 'advisory' and objid = ${LOCK} and pid = pg_backend_pid() and granted`,
  );
  return rows.length > 0;
}

/** Ends those of these sessions that still exist, except that of the connection itself. False if there are none. */
export async function endSessions(connection: Connection, names: readonly string[]): Promise<boolean> {
  const rows = await connection.run(
    (client) => client`
      select pg_terminate_backend(pid) from pg_stat_activity
      where pid || ' ' || backend_start = any (${[...names]}) and pid <> pg_backend_pid()`,
  );
  return rows.length > 0;
}

/** Name of a process that has the lock, for a message. */
export async function nameHolder(connection: Connection): Promise<string> {
  const [row] = await connection.run(
    (client) => client<{ name: string; since: string }[]>`
      select activity.application_name as name, to_char(activity.backend_start at time zone 'UTC', ${ISO_TIME}) as since
      from pg_locks as lock join pg_stat_activity as activity using (pid)
      where lock.locktype = 'advisory' and lock.objid = ${LOCK} and lock.granted
        and lock.database = (select oid from pg_database where datname = current_database())
      order by activity.backend_start limit 1`,
  );
  return row === undefined ? 'one that has just begun' : `${row.name}, since ${row.since}`;
}

const LOCK = 7_345_002; // beside the lock of migrate.ts
const ISO_TIME = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';
