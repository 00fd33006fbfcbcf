import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Loads a secret of this server from exactly one of a variable, a file, or, on loopback with the embedded database, a file that
 * is made at the first start and used again at the next. Throws SecretSourceError.
 */
export async function loadSecret(source: SecretSource, report: (sentence: string) => void): Promise<string> {
  const found = await readSecret(source);
  if (found !== null) {
    parseSecret(found.text, found.place);
    return found.text;
  }
  if (!source.mayInvent) throw new SecretSourceError(missingSecretSentence(source.name));
  const secret = await inventSecretFile(source.inventedFile);
  report(`Made ${source.name} and saved it as ${source.inventedFile}.`);
  return secret;
}

/** Loads a secret from a variable or a file with the same checks; null if there is none. Throws SecretSourceError. */
export async function loadOptionalSecret(
  source: Pick<SecretSource, 'name' | 'value' | 'file'>,
): Promise<string | null> {
  const found = await readSecret({ ...source, inventedFile: '', mayInvent: false });
  if (found !== null) parseSecret(found.text, found.place);
  return found?.text ?? null;
}

export interface SecretSource {
  /** Name of the variable, e.g. `LATCHKEY_ROOT_KEY`; with `_FILE` appended, the name of the one that holds a path. */
  name: string;
  value: string | undefined;
  file: string | undefined;
  /** Path of the secret that may be invented. */
  inventedFile: string;
  /** True only with the embedded database and a loopback HOST, where a secret lost with its folder is lost with its data. */
  mayInvent: boolean;
}

/** Why this server cannot start, in a sentence that says how to fix it and never holds a secret. */
export class SecretSourceError extends Error {
  override readonly name = 'SecretSourceError';
  /** EX_CONFIG of sysexits.h. Service managers can be set not to restart after it. */
  readonly exitCode = 78;
}

/** Reads a secret without checking it, with the place it came from for use in sentences; null if there is none. */
export async function readSecret(source: SecretSource): Promise<{ text: string; place: string } | null> {
  const { name, value, file, inventedFile } = source;
  if (value !== undefined && file !== undefined) {
    throw new SecretSourceError(`${name} and ${name}_FILE are both set. Keep one of them.`);
  }
  if (value !== undefined) return { text: value.trim(), place: name };
  if (file !== undefined) {
    const text = await readSecretFile(file);
    if (text === null) throw new SecretSourceError(`${name}_FILE names ${file}, which does not exist.`);
    return { text, place: file };
  }
  if (!source.mayInvent) return null;
  const text = await readSecretFile(inventedFile);
  return text === null ? null : { text, place: inventedFile };
}

/** The bytes of a random secret. Refuses text that was typed, repeated, counted or cut. Throws SecretSourceError. */
export function parseSecret(text: string, place: string): Uint8Array {
  const isHexadecimal = /^[0-9a-f]{64}$/i.test(text);
  const bytes = new Uint8Array(Buffer.from(text, isHexadecimal ? 'hex' : 'base64'));
  const weakness = isHexadecimal
    ? weaknessOfBytes(bytes)
    : (weaknessOfBase64(text) ?? weaknessOfBytes(bytes));
  if (weakness === null) return bytes;
  throw new SecretSourceError(
    `${place} ${weakness}. It takes 32 random bytes in base64. Make them with: openssl rand -base64 32`,
  );
}

/** The sentence for a missing secret where none may be invented. */
export function missingSecretSentence(name: string): string {
  return (
    `${name}_FILE is not set. A secret is made up only with the embedded database and HOST on loopback. ` +
    `Run "(umask 077; openssl rand -base64 32 > secret.key)" and set ${name}_FILE to the path of that file.`
  );
}

/**
 * Path of a secret that was made here: outside the database's folder, so that the two can be backed up in different places.
 * Version 0.1 put it beside that folder. It stays there, since an operator's backup may rely on the path.
 */
export function madeSecretFile(dataDir: string, name: 'root.key' | 'auth.secret'): string {
  const file = join(dataDir, 'secrets', name);
  const earlierFile = join(dataDir, name);
  return !existsSync(file) && existsSync(earlierFile) ? earlierFile : file;
}

/** Makes a new secret in a file that only this user may read, and never overwrites one. Durable when it resolves. */
export async function inventSecretFile(path: string): Promise<string> {
  const secret = randomBytes(32).toString('base64');
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeNewFile(path, `${secret}\n`);
    if (!isWindows) {
      await syncFolder(dirname(path));
      await syncFolder(dirname(dirname(path)));
    }
  } catch (error) {
    throw new SecretSourceError(`${path} could not be made (${codeOf(error)}). Check its folder.`);
  }
  return secret;
}

/**
 * Whether other users of this machine may read or change a file. A group may read one of root's if this process is in it:
 * that is how secrets are mounted for a process that is not root (Kubernetes' `fsGroup`).
 */
export function isOpenToOthers(
  { mode, uid, gid }: { mode: number; uid: number; gid: number },
  groups: readonly number[],
): boolean {
  const isMountedForUs = uid === 0 && groups.includes(gid);
  return (mode & (isMountedForUs ? 0o037 : 0o077)) !== 0;
}

function ownGroups(): number[] {
  return [...(process.getgroups?.() ?? []), ...(process.getegid === undefined ? [] : [process.getegid()])];
}

/** Windows has no mode bits and does not sync folders. */
const isWindows = process.platform === 'win32';

async function readSecretFile(path: string): Promise<string | null> {
  try {
    const file = await open(path, 'r');
    try {
      const stats = await file.stat();
      if (stats.isDirectory()) throw new SecretSourceError(`${path} is a folder. Name the file in it.`);
      if (!isWindows && isOpenToOthers(stats, ownGroups())) {
        throw new SecretSourceError(
          `${path} is open to other users of this machine. Run: chmod 600 ${path}. Where it is mounted, set its mode there, e.g. 0440.`,
        );
      }
      return (await file.readFile('utf8')).trim();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof SecretSourceError) throw error;
    if (codeOf(error) === 'ENOENT') return null;
    throw new SecretSourceError(`${path} could not be read (${codeOf(error)}). Give this user access to it.`);
  }
}

async function writeNewFile(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    // A partly written secret would be refused at every later start.
    await unlink(path);
    throw error;
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function weaknessOfBase64(text: string): string | null {
  if (text === '') return 'is empty';
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return 'is not base64';
  // A phrase can have the length of a key. Random keys lack one of the cases less than once in a billion.
  if (!/[a-z]/.test(text) || !/[A-Z]/.test(text)) return 'looks typed';
  return null;
}

function weaknessOfBytes(bytes: Uint8Array): string | null {
  if (bytes.length !== 32) return `holds ${bytes.length} bytes`;
  if (bytes.every((byte) => byte >= 0x20 && byte < 0x7f)) return 'holds text instead of random bytes';
  const steps = bytes.slice(1).map((byte, index) => byte - (bytes[index] ?? 0));
  const isRegular = new Set(bytes).size < FEWEST_DIFFERENT || new Set(steps).size < FEWEST_DIFFERENT;
  return isRegular ? 'is too regular to be random' : null;
}

/**
 * 32 random bytes hold 30 different ones on average, and fewer than this not once in a trillion keys. Anything that
 * repeats within half its length stays below it; what counts up does so in the steps from byte to byte.
 */
const FEWEST_DIFFERENT = 17;

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}
