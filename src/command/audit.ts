import { verifyAuditCommand } from '../audit/command.ts';
import { type AuditHead, parseHead } from '../audit/head.ts';
import type { Config } from '../config.ts';
import { UsageError } from './help.ts';
import { say } from './terminal.ts';
import { withSealedData } from './with-sealed-data.ts';

/** Runs `audit verify` and returns its exit code. `heads` are those that an earlier run printed. */
export async function runAuditCommand(
  readSettings: () => Config,
  [action]: readonly string[],
  heads: readonly string[],
): Promise<number> {
  if (action !== 'verify') throw new UsageError('audit needs: verify.');
  const kept = heads.map(readHead);
  return await withSealedData(readSettings(), (data) => verifyAuditCommand({ ...data, say }, kept));
}

function readHead(text: string): AuditHead {
  const head = parseHead(text);
  if (head !== null) return head;
  throw new UsageError(`"${text}" is not a head as audit verify prints it, whole and without spaces.`);
}
