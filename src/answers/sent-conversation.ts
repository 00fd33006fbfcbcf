import { ConcurrencyLimit } from '../concurrency-limit.ts';
import { isLost } from '../files/unreadable.ts';
import type { SentFile, Turn } from '../providers/provider.ts';
import type { BranchFile } from './branch-files.ts';
import type { ConversationTurn } from './conversation.ts';
import { cutText } from './cut-text.ts';
import type { FileUse } from './file-uses.ts';
import { LONGEST_READ_MS, type UsedFiles } from './sent-files.ts';

/**
 * A conversation for one model: each file in the form that was decided when the answer began, which stays for all calls of the
 * answer. Bytes and texts are read for each call, so that none of them is held while an answer waits for another one.
 */
export class SentConversation {
  readonly #turns: readonly ConversationTurn[];
  readonly #files: UsedFiles;
  /** Those that are sent, by the message with which they are. */
  readonly #sent: ReadonlyMap<string | null, readonly SentUse[]>;
  readonly #reads = new ConcurrencyLimit(READS_AT_ONCE);
  #failure: FileUnreadableError | null = null;

  constructor(turns: readonly ConversationTurn[], files: UsedFiles) {
    this.#turns = turns;
    this.#files = files;
    const sent = files.used.flatMap(({ file, use }) => (use.use === 'LEFT_OUT' ? [] : [{ file, use }]));
    this.#sent = Map.groupBy(sent, ({ file }) => file.messageIds[0]);
  }

  /** Why a file could not be read for a call, while its texts were read or its bytes were sent; null if none has failed. */
  get failure(): FileUnreadableError | null {
    return this.#failure;
  }

  /** The ids of the files whose bytes are sent, not their text. */
  get nativeIds(): readonly string[] {
    const native = this.#files.used.filter(({ use }) => use.use === 'NATIVE');
    return native.map(({ file }) => file.attachment.id);
  }

  /** The turns with their files. Throws FileUnreadableError. */
  async readTurns(signal: AbortSignal): Promise<readonly Turn[]> {
    this.#failure = null;
    if (this.#files.used.length + this.#files.notes.size === 0) return this.#turns;
    return await Promise.all(this.#turns.map((turn) => this.#withFiles(turn, signal)));
  }

  async #withFiles({ fileMessageIds = [], ...turn }: ConversationTurn, signal: AbortSignal): Promise<Turn> {
    if (fileMessageIds.length === 0) return turn;
    const sent = fileMessageIds.flatMap((id) => this.#sent.get(id) ?? []);
    const files = await Promise.all(
      sent.map(({ file, use }) => this.#reads.run('', () => this.#formOf(file, use, signal))),
    );
    const notes = fileMessageIds.flatMap((id) => this.#files.notes.get(id) ?? []);
    const text = [...notes, ...(turn.text === '' ? [] : [turn.text])].join('\n\n');
    return { ...turn, text, ...(files.length > 0 && { files }) };
  }

  async #formOf(file: BranchFile, use: SentUse['use'], signal: AbortSignal): Promise<SentFile> {
    if (this.#failure !== null) throw this.#failure;
    const { fileName: name, kind, mediaType, sizeBytes, pictureBytes, pictureMediaType } = file.attachment;
    if (use.use === 'AS_TEXT') {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(LONGEST_READ_MS)]);
      const whole = await this.#reading(file, signal, () => file.readText(limit));
      const { text, part } = cutText(whole ?? '', use.maxCharacters, file.attachment);
      const notes = [...(kind === 'TEXT' ? [] : ['text only']), ...(part === null ? [] : [part])];
      const note = notes.join(', ') || null;
      return { form: 'text', name, mediaType: mediaType ?? 'text/plain', note, text };
    }
    const { form } = use;
    const type = form === 'image' ? pictureMediaType : mediaType;
    return {
      form,
      name,
      mediaType: type ?? 'application/octet-stream',
      sizeBytes: form === 'image' ? (pictureBytes ?? 0) : sizeBytes,
      open: (callSignal) => this.#bytesOf(file, form, callSignal),
    };
  }

  async *#bytesOf(
    file: BranchFile,
    form: 'image' | 'document',
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    if (form === 'image') {
      const picture = await this.#reading(file, signal, () => file.readPicture(signal));
      if (picture !== null) yield picture;
      return;
    }
    const opened = await this.#reading(file, signal, () => file.open(signal));
    const bytes = opened.read()[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#reading(file, signal, () => bytes.next());
        if (next.done) return;
        yield next.value;
      }
    } finally {
      await bytes.return?.();
    }
  }

  /** Remembers a failure, which whoever sends the bytes may report as one of the connection. */
  async #reading<Value>(
    { attachment }: BranchFile,
    signal: AbortSignal,
    read: () => Promise<Value>,
  ): Promise<Value> {
    try {
      return await read();
    } catch (error) {
      if (signal.aborted) throw error;
      this.#failure = new FileUnreadableError(attachment.id, error);
      throw this.#failure;
    }
  }
}

/** A file that is sent, and how. */
interface SentUse {
  file: BranchFile;
  use: Exclude<FileUse, { use: 'LEFT_OUT' }>;
}

/** Texts of one conversation. */
const READS_AT_ONCE = 4;

/** A file could not be read for a model. */
export class FileUnreadableError extends Error {
  override readonly name = 'FileUnreadableError';
  readonly attachmentId: string;
  /** Whether its bytes are missing or damaged, and not only out of reach for the moment. */
  readonly isLost: boolean;

  constructor(attachmentId: string, reason: unknown) {
    super('A file could not be read for a model.');
    this.attachmentId = attachmentId;
    this.isLost = isLost(reason);
  }
}
