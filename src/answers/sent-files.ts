import type { StoredOptions } from '../db/tables/model.ts';
import type { StoredAttachmentUse } from '../db/tables/thread.ts';
import { type FileReaderDeps, type MessageFile, readMessageFiles } from '../files/message-files.ts';
import { isUnreadable } from '../files/unreadable.ts';
import { failureName, log } from '../log.ts';
import type { Model } from '../models/catalogue.ts';
import { capabilitiesOf, contextWindowOf } from '../models/facts.ts';
import { type FileRules, fileRulesOf } from '../providers/file-rules.ts';
import type { Providers } from '../providers/registry.ts';
import { cutText } from './cut-text.ts';
import { decideFileUses, type FileFacts, type FileUse, joinNotes, UNREADABLE } from './file-uses.ts';

/** A file of the branch that is answered. */
export interface BranchFile extends MessageFile {
  /** Null for a file of the message that is being sent. */
  messageId: string | null;
  facts: FileFacts;
}

/** A file of the branch, and how one model is sent it. */
export interface UsedFile {
  file: BranchFile;
  use: FileUse;
}

/**
 * The files of these messages of a branch, oldest first, and then those that the new message is to have. No statement if there are
 * none.
 */
export async function readBranchFiles(
  deps: FileReaderDeps,
  messageIds: readonly string[],
  newIds: readonly string[],
): Promise<BranchFile[]> {
  if (messageIds.length + newIds.length === 0) return [];
  const byMessage = await readMessageFiles(deps, messageIds, newIds);
  return [...messageIds, null].flatMap((messageId) =>
    (byMessage.get(messageId) ?? []).map((file) => {
      const facts = { ...file.attachment, isUnreadable: isUnreadable(file.attachment) };
      return { ...file, messageId, facts };
    }),
  );
}

/**
 * Decides how the model of an answer is sent the files of the branch. A text is read here only if it is cut, to say which part is
 * sent; all others are read for the call of the provider.
 */
export async function useFiles(
  deps: { providers: Providers },
  files: readonly BranchFile[],
  { model, options }: { model: Model; options: StoredOptions | null },
): Promise<UsedFile[]> {
  const byMessage = Map.groupBy(files, ({ messageId }) => messageId);
  const decided = decideFileUses([...byMessage.values()], {
    provider: deps.providers[model.provider],
    rules: rulesOf(deps, model),
    contextWindow: contextWindowOf(model),
    maxOutputTokens: options?.maxOutputTokens ?? model.maxOutputTokens,
  });
  const used: UsedFile[] = [];
  for (const { file, use } of decided)
    used.push({ file, use: use.use === 'AS_TEXT' && use.isCut ? await namePart(file, use) : use });
  return used;
}

/** The rules of a model, by everything that is known about it. */
export function rulesOf({ providers }: { providers: Providers }, model: Model): FileRules {
  return fileRulesOf(model.provider, {
    name: model.name,
    capabilities: capabilitiesOf(providers[model.provider], model),
    contextWindow: contextWindowOf(model),
  });
}

/** How the files are shown beside the answer; null for none. */
export function storedUses(files: readonly UsedFile[]): StoredAttachmentUse[] | null {
  if (files.length === 0) return null;
  return files.map(({ file, use: { use, note } }) => ({ attachmentId: file.attachment.id, use, note }));
}

/** How many bytes of the files are held in memory during a call: texts are, all other bytes are sent as they are read. */
export function heldBytes(files: readonly UsedFile[]): number {
  const characters = files.reduce(
    (total, { use }) => total + (use.use === 'AS_TEXT' ? use.maxCharacters : 0),
    0,
  );
  return BYTES_OF_CHARACTER * characters;
}

/** Says in the note which part of a text is sent. */
async function namePart(
  { attachment, readText }: BranchFile,
  use: Extract<FileUse, { use: 'AS_TEXT' }>,
): Promise<FileUse> {
  try {
    const text = await readText(AbortSignal.timeout(LONGEST_READ_MS));
    const { text: beginning, part } = cutText(text ?? '', use.maxCharacters, attachment);
    if (!/\S/.test(beginning)) return BLANK;
    if (part === null) return use;
    return {
      ...use,
      note: joinNotes(use.note, `The whole text is too long, so only this part is sent: ${part}.`),
    };
  } catch (error) {
    log.warn({ attachmentId: attachment.id, failure: failureName(error) }, 'a file could not be read');
    return UNREADABLE;
  }
}

/** Providers refuse a part of a message without a word. */
const BLANK: FileUse = {
  use: 'LEFT_OUT',
  note: 'It is too long for this model, and its beginning is blank.',
  tokens: 0,
};
const BYTES_OF_CHARACTER = 2;
/** A text has 3 MB at most. */
export const LONGEST_READ_MS = 30_000;
