import { ConfigError } from '../config.ts';
import { DatabaseHeldError } from '../db/server-hold.ts';
import { failureName } from '../log.ts';
import { SecretSourceError } from '../secret-source.ts';
import { UsageError } from './help.ts';

/** What to say about a failure that ends the process, and its exit code. Foreign messages may quote data, so they stay out. */
export function explainFailure(error: unknown): { sentence: string; exitCode: number } {
  if (
    error instanceof ConfigError ||
    error instanceof SecretSourceError ||
    error instanceof DatabaseHeldError ||
    error instanceof UsageError
  )
    return { sentence: error.message, exitCode: error.exitCode };
  const name = failureName(error);
  const sentence = Object.entries(SENTENCES).find(([code]) => name.endsWith(` ${code}`))?.[1];
  return { sentence: sentence ?? `Latchkey failed unexpectedly: ${name}.`, exitCode: 1 };
}

const NO_ANSWER = 'The database at DATABASE_URL does not answer. Start it, or correct the host and port.';

/** By the codes of Node (listening, dialling), the driver and PostgreSQL. */
const SENTENCES: Readonly<Record<string, string>> = {
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
    'The name of the host in DATABASE_URL cannot be looked up. Mend the network, or correct the name.',
  '57P03': 'The database server is starting up. Wait until it is ready.',
  '53300': 'The database server takes no further connections. Let it take more, or stop others that use it.',
  '28P01': 'The database refused the user or password of DATABASE_URL. Correct them.',
  '28000': 'The database refused the user of DATABASE_URL. Correct it, or let it in on the database server.',
  '3D000': 'The database server has no database of the name in DATABASE_URL. Create it first.',
};
