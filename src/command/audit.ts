import { faultSentence } from '../audit/fault.ts';
import { type AuditHead, formatHead, parseHead } from '../audit/head.ts';
import { verifyAudit } from '../audit/verify-audit.ts';
import type { Config } from '../config.ts';
import { counted } from '../counted.ts';
import { UsageError } from './help.ts';
import { printLine } from './terminal.ts';
import { type SealedData, withSealedData } from './with-sealed-data.ts';

/** Runs `audit verify` and returns its exit code. `heads` are those that an earlier run printed. */
export async function runAuditCommand(
  readSettings: () => Config,
  [action]: readonly string[],
  heads: readonly string[],
): Promise<number> {
  if (action !== 'verify') throw new UsageError('audit needs: verify.');
  const kept = heads.map(readHead);
  return await withSealedData(readSettings(), (data) => verifyAuditLogs(data, kept));
}

/** Verifies every audit log and prints its head. Returns 0 only if all are as they were recorded. */
export async function verifyAuditLogs(data: SealedData, heads: readonly AuditHead[]): Promise<0 | 1> {
  let logs = 0;
  let broken = 0;
  let total = 0;
  for await (const { tenantId, entries, head, faults } of verifyAudit(data, { heads })) {
    logs += 1;
    total += entries;
    if (head !== null) {
      printLine(`${tenantId}: ${counted(entries, 'entry', 'entries')}. Head: ${formatHead(head)}`);
      continue;
    }
    broken += 1;
    printLine(`${tenantId}: ${counted(entries, 'entry', 'entries')}, not as recorded:`);
    for (const fault of faults) printLine(`  ${faultSentence(fault)}`);
  }
  const found = `${counted(logs, 'audit log')}, ${counted(total, 'entry', 'entries')}`;
  if (broken > 0) {
    printLine(`${found}. Not as recorded: ${counted(broken, 'audit log')}.`);
    return 1;
  }
  printLine(`${found}, all as recorded.`);
  if (heads.length === 0 && logs > 0) printLine(HEADS_SENTENCE);
  return 0;
}

const HEADS_SENTENCE =
  'Entries cut off the end are noticed only with an earlier head: keep these heads where an attacker cannot change them, and pass them with --head.';

function readHead(text: string): AuditHead {
  const head = parseHead(text);
  if (head !== null) return head;
  throw new UsageError(`"${text}" is not a head as audit verify prints it, whole and without spaces.`);
}
