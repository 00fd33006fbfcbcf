import { RedisClusterError } from '../bus/redis-cluster-error.ts';
import { NewerDatabaseError } from '../db/migrate.ts';
import { DatabaseHeldError } from '../db/server-hold.ts';
import { OtherSecretError } from '../fleet/running-servers.ts';
import { failureCode, failureName } from '../log.ts';
import { ConfigError } from '../read-setting.ts';
import { SecretSourceError } from '../vault/secret-source.ts';
import { UsageError } from './help.ts';
import { ServerRefusalError } from './operator-client.ts';

/** The sentence and exit code for a failure that ends the process. Messages from elsewhere may quote data, so they are left out. */
export function explainFailure(error: unknown): { sentence: string; exitCode: number } {
  if (
    error instanceof ConfigError ||
    error instanceof SecretSourceError ||
    error instanceof DatabaseHeldError ||
    error instanceof NewerDatabaseError ||
    error instanceof OtherSecretError ||
    error instanceof RedisClusterError ||
    error instanceof ServerRefusalError ||
    error instanceof UsageError
  )
    return { sentence: error.message, exitCode: error.exitCode };
  const name = failureName(error);
  const code = failureCode(error) ?? '';
  const setting = WRONG_SETTINGS[code];
  if (setting !== undefined) return { sentence: setting, exitCode: 78 }; // EX_CONFIG of sysexits.h
  return { sentence: PASSING_FAILURES[code] ?? `Latchkey failed unexpectedly: ${name}.`, exitCode: 1 };
}

const NO_ANSWER = 'The database at DATABASE_URL does not answer. Start it, or correct the host and port.';

/** Failures that may pass by themselves, by the codes of Node (listening, connecting), the driver and PostgreSQL. */
const PASSING_FAILURES: Readonly<Record<string, string | undefined>> = {
  EADDRINUSE: 'The port is in use, maybe by another Latchkey. Stop that one, or set PORT to another number.',
  EACCES: 'This user may not listen on the port, or not use the data folder. Set PORT or LATCHKEY_DATA_DIR.',
  EADDRNOTAVAIL: 'HOST is no address of this machine. Set HOST to one that is, e.g. 127.0.0.1 or 0.0.0.0.',
  ECONNREFUSED: NO_ANSWER,
  ECONNRESET: NO_ANSWER,
  ETIMEDOUT: NO_ANSWER,
  EHOSTUNREACH: NO_ANSWER,
  ENETUNREACH: NO_ANSWER,
  CONNECT_TIMEOUT: NO_ANSWER,
  CONNECTION_CLOSED: NO_ANSWER,
  NO_REPLY: NO_ANSWER,
  ENOTFOUND: 'The host of DATABASE_URL or HOST does not exist. Correct its name.',
  EAI_AGAIN:
    'The name of the host in DATABASE_URL cannot be looked up. Fix the network, or correct the name.',
  '53100':
    'The disk of the database is full. Make room, at least 48 MiB in the data folder for the embedded one, then start again.',
  ENGINE_STOPPED:
    'The embedded database has stopped, as it does when it cannot write to its disk. Look at the disk of the data folder, then start again: what was saved is kept.',
  '57P03': 'The database server is starting up. Wait until it is ready.',
  '53300': 'The database server takes no further connections. Let it take more, or stop others that use it.',
};

/** Failures that need another setting and that no retry fixes, by the same codes. */
const WRONG_SETTINGS: Readonly<Record<string, string | undefined>> = {
  '28P01': 'The database refused the user or password of DATABASE_URL. Correct them.',
  SASL_SIGNATURE_MISMATCH:
    'The database server could not prove that it knows the password of DATABASE_URL. Correct the password, or the host.',
  '28000':
    'The database refused the user of DATABASE_URL. Correct it, or allow it to connect on the database server.',
  AUTH_TYPE_NOT_IMPLEMENTED:
    'The database server asks for a way of signing in that Latchkey does not know. Let it ask for scram-sha-256.',
  '3D000': 'The database server has no database of the name in DATABASE_URL. Create it first.',
  '42501':
    'The user of DATABASE_URL may not make or read tables in its database. Make it the owner of the database.',
  '25006': 'The database of DATABASE_URL can only be read. Name its primary server.',
};
