import type { Attachment } from '../files/attachment.ts';
import { LONGEST_PICTURE_SIDE } from '../files/reading/reply.ts';
import type { DocumentRules, FileRules, ImageRules } from '../providers/file-rules.ts';
import type { Provider } from '../providers/provider.ts';

/** What of a file decides how a model is sent it. */
export interface FileFacts
  extends Pick<
    Attachment,
    | 'kind'
    | 'mediaType'
    | 'sizeBytes'
    | 'width'
    | 'height'
    | 'pageCount'
    | 'isEncrypted'
    | 'refusedBy'
    | 'textLength'
    | 'textTokens'
    | 'pictureBytes'
    | 'pictureMediaType'
    | 'note'
  > {
  /** Whether its bytes were lately found missing or damaged. */
  isUnreadable: boolean;
}

/** A model as far as files are concerned. */
export interface FileTaker {
  provider: Pick<Provider, 'name' | 'title'>;
  rules: FileRules;
  /** Null if it is not known. */
  contextWindow: number | null;
  /** Most tokens of its answer; null if that is not known. */
  maxOutputTokens: number | null;
  /** Bytes of the request beside the files: what was said. */
  otherBytes: number;
}

/** Cuts the text of a file: how much of it is sent, with a note that says which part, or why it is left out after all. */
export type CutFile<File> = (file: File, use: TextUse) => Promise<FileUse>;

export type TextUse = Extract<FileUse, { use: 'AS_TEXT' }>;

/**
 * How a model is sent a file, with sentences about it for people. They are the same in every turn, as is what the model is sent:
 * prompt caches hold the beginning of a request only while no byte of it changes.
 */
export type FileUse =
  | { use: 'NATIVE'; form: 'image' | 'document'; note: string | null; tokens: number }
  | {
      use: 'AS_TEXT';
      /** Where the text is cut at the latest. */
      maxCharacters: number;
      isCut: boolean;
      /** What is sent of it. */
      characters: number;
      note: string | null;
      tokens: number;
    }
  | { use: 'LEFT_OUT'; note: string; tokens: 0 };

/**
 * Decides for each file of a branch how a model is sent it. The files come by message, the oldest first, and go in that order. What
 * exceeds a limit of the model is left out or cut, never sent and refused: a file is in every later request of its thread, so one
 * that a provider refuses would end the thread. Newer messages come first: their files are what is asked about. What a cut leaves
 * of the room is there for the next file. Throws what `cut` throws.
 */
export async function decideFileUses<File extends { facts: FileFacts }>(
  messages: readonly (readonly File[])[],
  model: FileTaker,
  cut: CutFile<File>,
): Promise<{ file: File; use: FileUse }[]> {
  const room = roomFor(model);
  const decided: { file: File; use: FileUse }[][] = [];
  for (const files of messages.toReversed()) {
    const ofMessage: { file: File; use: FileUse }[] = [];
    for (const file of files) {
      const taken = take(file.facts, model, room);
      const isCut = taken.use === 'AS_TEXT' && taken.isCut;
      const use = isCut ? withTokens(await cut(file, taken), file.facts, model) : taken;
      chargeText(use, room);
      ofMessage.push({ file, use });
    }
    decided.push(ofMessage);
  }
  return decided.reverse().flat();
}

function withTokens(use: FileUse, file: FileFacts, { rules }: FileTaker): FileUse {
  if (use.use !== 'AS_TEXT') return use;
  return { ...use, tokens: Math.ceil(use.characters / charactersPerToken(file, rules)) };
}

function chargeText(use: FileUse, room: Room): void {
  if (use.use !== 'AS_TEXT') return;
  room.tokens -= use.tokens;
  room.characters -= use.characters;
  room.requestBytes -= use.characters * BYTES_OF_CHARACTER;
}

/** What the files that were decided about leave for others. */
interface Room {
  tokens: number;
  characters: number;
  images: number;
  requestBytes: number;
  /** Images and pages of documents, together. */
  imagesAndPages: number;
}

function roomFor({ rules, contextWindow, maxOutputTokens, otherBytes }: FileTaker): Room {
  const ofOthers = OTHERS_STEP_BYTES * Math.ceil(otherBytes / OTHERS_STEP_BYTES);
  return {
    tokens: tokensForFiles(contextWindow ?? UNKNOWN_CONTEXT, maxOutputTokens ?? 0),
    characters: MOST_CHARACTERS,
    images: rules.images?.maxCount ?? Infinity,
    requestBytes: (rules.maxRequestBytes ?? Infinity) - ofOthers,
    imagesAndPages: rules.maxImagesAndPages ?? Infinity,
  };
}

/** Some lists state an output as large as the window, which no answer takes. */
function tokensForFiles(contextWindow: number, outputTokens: number): number {
  return Math.floor(PART_FOR_FILES * (contextWindow - Math.min(outputTokens, contextWindow / 2)));
}

function take(file: FileFacts, model: FileTaker, room: Room): FileUse {
  if (file.isUnreadable) return UNREADABLE;
  return file.kind === 'IMAGE' ? takeImage(file, model, room) : takeDocument(file, model, room);
}

/** That the provider has refused a request with the bytes of a file, as a clause; null if it has not. */
function refusalOfProvider(
  { refusedBy }: FileFacts,
  { provider: { name, title } }: FileTaker,
): string | null {
  return refusedBy.includes(name) ? `${title} refused a request with it` : null;
}

function takeImage(file: FileFacts, model: FileTaker, room: Room): FileUse {
  const rules = model.rules.images;
  if (rules === null) return leftOut('This model reads no images.');
  const refusedBefore = refusalOfProvider(file, model);
  if (refusedBefore !== null) return leftOut(`${refusedBefore}.`);
  const { width, height } = pictureSize(file);
  const tokens = rules.estimateTokens(width, height);
  const bytes = base64Length(file.pictureBytes ?? 0);
  const refusal = refusalOfImage(file, rules, room, { side: Math.max(width, height), tokens, bytes });
  if (refusal !== null) return leftOut(refusal);
  room.images -= 1;
  room.imagesAndPages -= 1;
  room.requestBytes -= bytes;
  room.tokens -= tokens;
  return { use: 'NATIVE', form: 'image', note: file.note, tokens };
}

function refusalOfImage(
  { pictureBytes, pictureMediaType }: FileFacts,
  { mediaTypes, maxBytes, maxCount, maxSide }: ImageRules,
  room: Room,
  { side, tokens, bytes }: { side: number; tokens: number; bytes: number },
): string | null {
  if (pictureMediaType === null || !mediaTypes.includes(pictureMediaType))
    return `This model takes no images of the type ${pictureMediaType}.`;
  if ((pictureBytes ?? 0) > (maxBytes ?? Infinity)) return 'The image has more bytes than this model takes.';
  if (side > (maxSide ?? Infinity)) return 'The image has more pixels than this model takes.';
  if (room.images < 1)
    return `This model takes ${count(maxCount ?? 0, 'image')} at most, and those of newer messages come first.`;
  if (bytes > room.requestBytes || room.imagesAndPages < 1) return TOO_MANY;
  return tokens > room.tokens ? NO_ROOM : null;
}

function takeDocument(file: FileFacts, model: FileTaker, room: Room): FileUse {
  if (file.kind === 'TEXT') return takeText(file, model, room, null);
  const rules = model.rules.documents.find(({ mediaTypes }) => mediaTypes.includes(file.mediaType ?? ''));
  const needs = needsOf(file, rules, model.rules);
  const refusal = refusalOfDocument(file, rules, room, needs) ?? refusalOfProvider(file, model);
  if (refusal !== null) return takeText(file, model, room, refusal);
  room.requestBytes -= needs.bytes;
  room.imagesAndPages -= needs.pages;
  room.tokens -= needs.tokens;
  return { use: 'NATIVE', form: 'document', note: null, tokens: needs.tokens };
}

interface Needs {
  bytes: number;
  pages: number;
  tokens: number;
}

function needsOf(file: FileFacts, rules: DocumentRules | undefined, modelRules: FileRules): Needs {
  const { sizeBytes, pageCount, textLength } = file;
  const pages = pageCount ?? 0;
  const ofText = Math.ceil((textLength ?? 0) / charactersPerToken(file, modelRules));
  const tokens = pages === 0 ? ofText : pages * (rules?.tokensPerPage ?? 0);
  return { bytes: base64Length(sizeBytes), pages, tokens };
}

/** Why a model is not sent a document as it is, as a clause; null if it is. */
function refusalOfDocument(
  { kind, sizeBytes, pageCount, isEncrypted }: FileFacts,
  rules: DocumentRules | undefined,
  room: Room,
  { bytes, pages, tokens }: Needs,
): string | null {
  if (rules === undefined)
    return kind === 'PDF' ? 'this model takes no PDFs' : 'this model takes no files of this type';
  if (isEncrypted) return 'it is protected, which no provider takes';
  const { maxBytes, maxPages } = rules;
  if (sizeBytes > (maxBytes ?? Infinity)) return 'it has more bytes than this model takes';
  if (maxPages !== null && (pageCount ?? 0) > maxPages)
    return `this model takes ${count(maxPages, 'page')} at most`;
  if (bytes > room.requestBytes || pages > room.imagesAndPages)
    return 'the files of this conversation are more together than this model takes';
  return tokens > room.tokens ? 'its pages are too long for this model' : null;
}

/** `reason` is a clause that says why the file is not sent as it is; null for a text. */
function takeText(file: FileFacts, model: FileTaker, room: Room, reason: string | null): FileUse {
  const length = file.textLength ?? 0;
  if (length === 0) return leftOut(reason === null ? 'It has no text.' : `It has no text, and ${reason}.`);
  const perToken = charactersPerToken(file, model.rules);
  const mostIn = ({ tokens, characters }: Room) =>
    Math.min(LONGEST_TEXT, characters, Math.floor(tokens * perToken));
  const page = Math.min(length, CHARACTERS_OF_PAGE);
  const most = Math.min(mostIn(room), Math.floor(room.requestBytes / BYTES_OF_CHARACTER));
  if (most < page)
    return leftOut(mostIn(roomFor(model)) < page ? tooLong(length / perToken, model) : NO_ROOM);
  const characters = Math.min(length, most);
  const tokens = Math.ceil(characters / perToken);
  const why = reason === null ? null : `It is sent as text, because ${reason}.`;
  const note = joinNotes(why, file.note);
  const isCut = characters < length;
  return { use: 'AS_TEXT', maxCharacters: characters, isCut, characters, note, tokens };
}

/** The sentences of these notes; null if there are none. */
export function joinNotes(...notes: readonly (string | null)[]): string | null {
  return notes.filter((note) => note !== null).join(' ') || null;
}

function tooLong(tokens: number, { contextWindow }: FileTaker): string {
  const window = contextWindow ?? UNKNOWN_CONTEXT;
  return `It is too long for this model: about ${NUMBER.format(Math.ceil(tokens))} tokens, and the model takes ${NUMBER.format(window)}.`;
}

/** How many characters of a text are a token for a model, by what the text is: of Chinese one, of English four. */
function charactersPerToken({ textLength, textTokens }: FileFacts, rules: FileRules): number {
  const ofModel = rules.charactersPerToken;
  if (!textLength || !textTokens) return ofModel;
  return (textLength / textTokens) * (ofModel / ENGLISH_CHARACTERS_PER_TOKEN);
}

function leftOut(note: string): FileUse {
  return { use: 'LEFT_OUT', note, tokens: 0 };
}

/** The use of a file whose bytes are missing or damaged. */
export const UNREADABLE = leftOut('It could not be read where files are kept.');

/** The size of the copy that models are sent, in pixels. */
function pictureSize({ width, height }: FileFacts): { width: number; height: number } {
  const [originalWidth, originalHeight] = [width ?? 0, height ?? 0];
  const scale = Math.min(1, LONGEST_PICTURE_SIDE / Math.max(originalWidth, originalHeight, 1));
  return { width: Math.round(originalWidth * scale), height: Math.round(originalHeight * scale) };
}

/** How many characters of base64 so many bytes take. */
function base64Length(bytes: number): number {
  return 4 * Math.ceil(bytes / 3);
}

function count(number: number, noun: string): string {
  return `${NUMBER.format(number)} ${noun}${number === 1 ? '' : 's'}`;
}

const NUMBER = new Intl.NumberFormat('en');

const NO_ROOM = 'The other files of this conversation leave no room for it.';
const TOO_MANY =
  'The files of this conversation are more together than this model takes, and those of newer messages come first.';

/** As `estimateTokens` has it. */
const ENGLISH_CHARACTERS_PER_TOKEN = 4;
/** Tokens that fit into a request where that is not known: as much as small models take. */
const UNKNOWN_CONTEXT = 32_000;
/** Of the context without the answer. The rest is for what is said. */
const PART_FOR_FILES = 0.6;
/** Of one file, in UTF-16 code units: some 100,000 tokens. */
const LONGEST_TEXT = 400_000;
/** Of all texts of a request, also where the context is larger or not known: eight models can be asked about as much at once. */
const MOST_CHARACTERS = 2_000_000;
/** Most bytes of a UTF-16 code unit in the JSON of a request, apart from control characters. */
const BYTES_OF_CHARACTER = 3;
/** What was said counts in such steps, so that its growth does not change in every turn how files are sent. */
const OTHERS_STEP_BYTES = 256 * 1_024;
/** Less than a page of a file is not worth sending. */
const CHARACTERS_OF_PAGE = 2_000;
