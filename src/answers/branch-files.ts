import { type FileReaderDeps, type MessageFile, readFiles } from '../files/message-files.ts';
import { isUnreadable } from '../files/unreadable.ts';
import type { FileFacts, FileUse } from './file-uses.ts';

/** What the messages of a branch refer to. */
export interface FileReferences {
  /** Ids of the messages that have files, oldest first. */
  fileMessageIds: string[];
  /** The last of what they refer to, oldest first, as ids of the message and the file. The oldest message may be there in part. */
  newestReferences: [messageId: string, attachmentId: string][];
}

/** The files of the branch that is answered. */
export interface BranchFiles {
  /** Each once, in the order of the messages that first refer to them. */
  files: readonly BranchFile[];
  /** The messages before those whose files these are, oldest first: what they refer to is more than is sent. */
  olderMessageIds: readonly string[];
}

export interface BranchFile extends MessageFile {
  /** The messages that refer to it, oldest first, null for the one that is being sent. A model is sent the file with the first. */
  messageIds: readonly [string | null, ...(string | null)[]];
  /** Place of the newest of these messages: the higher, the newer. */
  newestPlace: number;
  facts: FileFacts;
}

/** A file of the branch, and how one model is sent it. */
export interface UsedFile {
  file: BranchFile;
  use: FileUse;
}

/**
 * The files of the newest messages of a branch, the ones that a new message is to have included. A file of several messages is one
 * file, and stays with the first of them, so that what comes before a new message never changes. No statement if there are none.
 */
export async function readBranchFiles(
  deps: FileReaderDeps,
  { fileMessageIds, newestReferences }: FileReferences,
  newIds: readonly string[],
): Promise<BranchFiles> {
  const referring = newestMessages(newestReferences, newIds);
  const messageIdsOf = new Map<string, { messageIds: BranchFile['messageIds']; newestPlace: number }>();
  for (const [place, { messageId, attachmentIds }] of referring.entries())
    for (const id of attachmentIds) {
      const before = messageIdsOf.get(id)?.messageIds;
      const messageIds = before === undefined ? ([messageId] as const) : ([...before, messageId] as const);
      messageIdsOf.set(id, { messageIds, newestPlace: place });
    }
  if (messageIdsOf.size === 0) return { files: [], olderMessageIds: fileMessageIds };
  const found = await readFiles(deps, [...messageIdsOf.keys()]);
  const files = messageIdsOf.entries().flatMap(([id, places]): BranchFile[] => {
    const file = found.get(id);
    if (file === undefined) return [];
    const facts = { ...file.attachment, isUnreadable: isUnreadable(file.attachment) };
    return [{ ...file, ...places, facts }];
  });
  const older = fileMessageIds.length - referring.filter(({ messageId }) => messageId !== null).length;
  return { files: [...files], olderMessageIds: fileMessageIds.slice(0, older) };
}

interface Referring {
  messageId: string | null;
  attachmentIds: readonly string[];
}

/** As many whole messages, the newest, as refer to no more files than are sent; oldest first. */
function newestMessages(
  references: FileReferences['newestReferences'],
  newIds: readonly string[],
): readonly Referring[] {
  const byMessage = [...Map.groupBy(references, ([messageId]) => messageId)].map(
    ([messageId, pairs]): Referring => ({ messageId, attachmentIds: pairs.map(([, id]) => id) }),
  );
  // Of the oldest one not all may have been read.
  if (references.length === MOST_REFERENCES) byMessage.shift();
  const chosen = new Set(newIds);
  let first = byMessage.length;
  for (; first > 0; first--) {
    const { attachmentIds = [] } = byMessage[first - 1] ?? {};
    const more = attachmentIds.filter((id) => !chosen.has(id));
    if (chosen.size + more.length > MOST_FILES) break;
    for (const id of more) chosen.add(id);
  }
  const newest = byMessage.slice(first);
  return newIds.length === 0 ? newest : [...newest, { messageId: null, attachmentIds: newIds }];
}

/** Files of a branch about which is decided, and how many uses an answer shows: every message is read with them. */
export const MOST_FILES = 100;
/** References to files that are read of a branch, the newest: a file may be in many messages. */
export const MOST_REFERENCES = 2_000;
