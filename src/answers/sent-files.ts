import type { ConcurrencyLimit } from '../concurrency-limit.ts';
import type { StoredOptions } from '../db/tables/model.ts';
import type { StoredAttachmentUse } from '../db/tables/thread.ts';
import { BusyError } from '../errors.ts';
import { isLost } from '../files/unreadable.ts';
import { failureName, log } from '../log.ts';
import type { Model } from '../models/catalogue.ts';
import { capabilitiesOf, contextWindowOf } from '../models/facts.ts';
import { type FileRules, fileRulesOf } from '../providers/file-rules.ts';
import type { Providers } from '../providers/registry.ts';
import { type BranchFile, type BranchFiles, MOST_FILES, type UsedFile } from './branch-files.ts';
import { cutText } from './cut-text.ts';
import { fileNotes } from './file-notes.ts';
import { decideFileUses, type FileUse, joinNotes, type TextUse, UNREADABLE } from './file-uses.ts';

/** The files of a branch as one model is sent them. */
export interface UsedFiles {
  /** In the order of the branch. */
  used: readonly UsedFile[];
  /** What the model is told of files that do not stand where a message refers to them; see `fileNotes`. */
  notes: ReadonlyMap<string | null, string>;
  /** Of the notes, in UTF-8. */
  noteBytes: number;
  /** Whether there are older files, about which nothing was decided. */
  hasOlder: boolean;
}

/**
 * Decides how the model of an answer is sent the files of the branch. A text is read here only if it is cut, to say which part is
 * sent; all others are read for the call of the provider. `saidBytes` are those of the conversation. Throws BusyError if a text is
 * out of reach for the moment.
 */
export async function useFiles(
  deps: FileUseDeps,
  branchFiles: BranchFiles,
  saidBytes: number,
  { model, options }: { model: Model; options: StoredOptions | null },
): Promise<UsedFiles> {
  const { files, olderMessageIds } = branchFiles;
  // A file comes first for the newest message that refers to it, whichever it is sent with.
  const byNewest = Map.groupBy(
    files.toSorted((one, other) => one.newestPlace - other.newestPlace),
    ({ newestPlace }) => newestPlace,
  );
  const taker = {
    provider: deps.providers[model.provider],
    rules: rulesOf(deps, model),
    contextWindow: contextWindowOf(model),
    maxOutputTokens: options?.maxOutputTokens ?? model.maxOutputTokens,
    otherBytes: saidBytes + Buffer.byteLength(options?.systemPrompt ?? ''),
  };
  const decided = await decideFileUses([...byNewest.values()], taker, (file, use) =>
    namePart(deps, file, use),
  );
  const uses = new Map(decided.map(({ file, use }) => [file, use]));
  const used = files.map((file) => ({ file, use: uses.get(file) ?? UNREADABLE }));
  const notes = fileNotes(used, branchFiles);
  const noteBytes = notes.values().reduce((total, note) => total + Buffer.byteLength(note), 0);
  return { used, notes, noteBytes, hasOlder: olderMessageIds.length > 0 };
}

export interface FileUseDeps {
  providers: Providers;
  /** Texts that are read before it is known whether there is room for an answer: a few at a time. */
  textReads: ConcurrencyLimit;
}

/** The rules of a model, by everything that is known about it. */
export function rulesOf({ providers }: { providers: Providers }, model: Model): FileRules {
  return fileRulesOf(model.provider, {
    name: model.name,
    capabilities: capabilitiesOf(providers[model.provider], model),
    contextWindow: contextWindowOf(model),
  });
}

/** How the files are shown beside the answer, older ones together; null for none. */
export function storedUses({ used, hasOlder }: UsedFiles): StoredAttachmentUse[] | null {
  if (used.length === 0) return null;
  const older = { attachmentId: null, use: 'LEFT_OUT', note: OLDER } as const;
  const uses = used.map(({ file, use: { use, note } }) => ({ attachmentId: file.attachment.id, use, note }));
  return hasOlder ? [older, ...uses] : uses;
}

/** How many bytes of the files are held in memory during a call: texts and notes are, all other bytes are sent as they are read. */
export function heldBytes({ used, noteBytes }: UsedFiles): number {
  const characters = used.reduce(
    (total, { use }) => total + (use.use === 'AS_TEXT' ? use.maxCharacters : 0),
    0,
  );
  return BYTES_OF_CHARACTER * characters + noteBytes;
}

/** Says in the note which part of a text is sent. */
async function namePart(
  { textReads }: FileUseDeps,
  { attachment, readText }: BranchFile,
  use: TextUse,
): Promise<FileUse> {
  try {
    // The time that a read waits for others counts.
    const signal = AbortSignal.timeout(LONGEST_READ_MS);
    const { text, part } = await textReads.run('', async () => {
      signal.throwIfAborted();
      return cutText((await readText(signal)) ?? '', use.maxCharacters, attachment);
    });
    if (!/\S/.test(text)) return BLANK;
    if (part === null) return use;
    return {
      ...use,
      characters: text.length,
      note: joinNotes(use.note, `The whole text is too long, so only this part is sent: ${part}.`),
    };
  } catch (error) {
    log.warn({ attachmentId: attachment.id, failure: failureName(error) }, 'a file could not be read');
    if (isLost(error)) return UNREADABLE;
    throw new BusyError(
      `"${attachment.fileName}" cannot be read at the moment, so nothing was sent. Try again in a moment.`,
      new Date(Date.now() + RETRY_AFTER_MS),
    );
  }
}

/** Providers refuse a part of a message without a word. */
const BLANK: FileUse = {
  use: 'LEFT_OUT',
  note: 'It is too long for this model, and its beginning is blank.',
  tokens: 0,
};
const OLDER = `Older files of this conversation: only its newest are sent, ${MOST_FILES} at most.`;
const BYTES_OF_CHARACTER = 2;
/** A text has 3 MB at most. */
export const LONGEST_READ_MS = 30_000;
const RETRY_AFTER_MS = 5_000;
