import type { BranchFiles, UsedFile } from './branch-files.ts';

/**
 * What a model is told of files that do not stand where a message refers to them, by the id of the message, null for the new one:
 * of those that are left out, and of those that were sent with a message before. One note for each message, however many they are.
 */
export function fileNotes(
  used: readonly UsedFile[],
  { olderMessageIds }: Pick<BranchFiles, 'olderMessageIds'>,
): Map<string | null, string> {
  const notes = new Map<string | null, string>(olderMessageIds.map((id) => [id, OLDER]));
  const places = used.flatMap(({ file, use }) =>
    file.messageIds
      .slice(use.use === 'LEFT_OUT' ? 0 : 1)
      .map((messageId) => ({ messageId, name: `"${file.attachment.fileName}"`, use })),
  );
  for (const [messageId, ofMessage] of Map.groupBy(places, (place) => place.messageId)) {
    const leftOut = ofMessage.flatMap(({ name, use }) =>
      use.use === 'LEFT_OUT' ? [{ name, reason: use.note }] : [],
    );
    const above = ofMessage.flatMap(({ name, use }) => (use.use === 'LEFT_OUT' ? [] : [name]));
    notes.set(messageId, `[${[...leftOutSentences(leftOut), ...aboveSentences(above)].join(' ')}]`);
  }
  return notes;
}

function leftOutSentences(files: readonly { name: string; reason: string }[]): string[] {
  if (files.length > MOST_NAMED)
    return [`${files.length} files are left out, such as ${firstOf(files.map(({ name }) => name))}.`];
  return files.map(({ name, reason }) => `File ${name} is left out. ${reason}`);
}

function aboveSentences(names: readonly string[]): string[] {
  if (names.length > MOST_NAMED) return [`${names.length} files are above, such as ${firstOf(names)}.`];
  return names.map((name) => `File ${name} is above.`);
}

function firstOf(names: readonly string[]): string {
  return LIST.format(names.slice(0, MOST_NAMED));
}

const LIST = new Intl.ListFormat('en');
const OLDER = '[Files are left out here: only those of newer messages are sent.]';
/** A note is in every later request of its thread. */
const MOST_NAMED = 3;
