import type { Database } from '../db/database.ts';
import type { Root } from '../keys/seal-record.ts';
import { faultSentence } from './fault.ts';
import { type AuditHead, formatHead } from './head.ts';
import { verifyAudit } from './verify-audit.ts';

/** Runs `audit verify` and returns its exit code: 0 only if every audit log is as it was recorded. */
export async function verifyAuditCommand(
  { db, roots, say }: { db: Database; roots: readonly Root[]; say: (sentence: string) => void },
  heads: readonly AuditHead[],
): Promise<0 | 1> {
  let logs = 0;
  let broken = 0;
  let total = 0;
  for await (const { ownerId, entries, head, faults } of verifyAudit({ db, roots }, { heads })) {
    logs += 1;
    total += entries;
    if (head !== null) {
      say(`${ownerId}: ${count(entries, 'entry', 'entries')}. Head: ${formatHead(head)}`);
      continue;
    }
    broken += 1;
    say(`${ownerId}: ${count(entries, 'entry', 'entries')}, not as recorded:`);
    for (const fault of faults) say(`  ${faultSentence(fault)}`);
  }
  const found = `${count(logs, 'audit log', 'audit logs')}, ${count(total, 'entry', 'entries')}`;
  if (broken > 0) {
    say(`${found}. Not as recorded: ${count(broken, 'audit log', 'audit logs')}.`);
    return 1;
  }
  say(`${found}, all as recorded.`);
  if (heads.length === 0 && logs > 0) say(HEADS_SENTENCE);
  return 0;
}

const HEADS_SENTENCE =
  'Entries cut off the end are only noticed with a head of before: keep these heads where nobody can change them and give them with --head.';

function count(number: number, one: string, many: string): string {
  return `${number.toLocaleString('en-US')} ${number === 1 ? one : many}`;
}
