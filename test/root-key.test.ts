import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadRootKeys, type RootKeyInput } from '../src/vault/root-key.ts';
import { RootKey } from '../src/vault/seal.ts';
import {
  inventSecretFile,
  isOpenToOthers,
  loadSecret,
  parseSecret,
  SecretSourceError,
} from '../src/vault/secret-source.ts';
import { say } from './kit/say.ts';

const oldKey = 'wXJeyM3hZsUG7UTvmBfcLcdIc4YSbDAvONznCyIOJH8=';
const newKey = 'k+m0V8JGe7xRstNfuP4oWq2Lz1YhTdCB5aXi9MvS3gE=';
const oldId = idOf(oldKey);
const newId = idOf(newKey);
const laptop = { isEmbedded: true, isLoopback: true };
const server = { isEmbedded: false, isLoopback: false };

let home: string;
const table: { situation: string; outcome: string }[] = [];

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'latchkey-root-key-'));
});

afterAll(async () => {
  const width = Math.max(...table.map(({ situation }) => situation.length));
  for (const { situation, outcome } of table) {
    say(`${situation.padEnd(width)} | ${outcome.replaceAll(home, '…')}`);
  }
  await rm(home, { recursive: true });
});

describe('a server starts', () => {
  test('a server starts on a laptop with nothing set and nothing saved: makes a root key, says so, and uses it again', async () => {
    const first = await boot('laptop, nothing set, no rows', laptop);
    const path = join(first.dataDir, 'secrets', 'root.key');
    expect(first.outcome).toBe('starts');
    expect(first.said).toEqual([
      `Made a root key and saved it as ${path}. Back it up apart from the database: no saved key opens without it.`,
    ]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(first.ids).toEqual([idOf((await readFile(path, 'utf8')).trim())]);

    const rows = new Map(first.ids.map((id) => [id, 2]));
    const second = await boot('laptop, root.key of an earlier start, its rows', {
      ...laptop,
      dataDir: first.dataDir,
      rows,
    });
    expect(second).toMatchObject({ outcome: 'starts', ids: first.ids, said: [] });
  });

  test('a server starts with the root.key that an earlier version put beside the database, and leaves it there', async () => {
    const dataDir = await mkdtemp(join(home, 'earlier-'));
    await writeFile(join(dataDir, 'root.key'), `${oldKey}\n`, { mode: 0o600 });
    const rows = new Map([[oldId, 2]]);
    const started = await boot('laptop, root.key of 0.1, its rows', { ...laptop, dataDir, rows });
    expect(started).toMatchObject({ outcome: 'starts', ids: [oldId], said: [] });
    expect(await readFile(join(dataDir, 'root.key'), 'utf8')).toBe(`${oldKey}\n`);
    expect(await exists(join(dataDir, 'secrets'))).toBe(false);
  });

  test('a server starts with a key made on a laptop and named, once others can reach it', async () => {
    const { ids, dataDir } = await boot('laptop, nothing set, no rows', laptop);
    const moved = { ...server, dataDir, rows: new Map(ids.map((id) => [id, 2])) };
    const path = join(dataDir, 'secrets', 'root.key');
    const unnamed = await boot('server, root.key made on a laptop, its rows', moved);
    expect(unnamed.outcome).toContain(`If Latchkey made it, it was saved as ${path}.`);
    const named = await boot('server, the same named in LATCHKEY_ROOT_KEY_FILE', {
      ...moved,
      rootKeyFile: path,
    });
    expect(named).toMatchObject({ outcome: 'starts', ids });
  });

  test('a server starts with the right key in the variable or in the file', async () => {
    const rows = new Map([[oldId, 3]]);
    const inVariable = { ...server, rootKey: oldKey, rows };
    expect(await boot('right key in the variable', inVariable)).toMatchObject({
      outcome: 'starts',
      ids: [oldId],
    });
    const inFile = { ...server, rootKeyFile: await secretFile(`${oldKey}\n`), rows };
    expect(await boot('right key in the file', inFile)).toMatchObject({ outcome: 'starts', ids: [oldId] });
  });

  test('a server starts with a key and no rows, and makes no root.key beside it', async () => {
    const started = await boot('laptop, a key, no rows', { ...laptop, rootKey: oldKey });
    expect(started).toMatchObject({ outcome: 'starts', ids: [oldId], said: [] });
    expect(await exists(join(started.dataDir, 'secrets'))).toBe(false);
  });

  test('a server starts with a new key before the old one, in that order, however they are spaced and written', async () => {
    const rows = new Map([
      [oldId, 3],
      [newId, 1],
    ]);
    const rotating = await boot('new,old with rows of both', {
      ...server,
      rootKey: `${newKey},${oldKey}`,
      rows,
    });
    expect(rotating).toMatchObject({ outcome: 'starts', ids: [newId, oldId] });
    const hexadecimal = Buffer.from(oldKey, 'base64').toString('hex');
    const rootKeyFile = await secretFile(`${newKey.replace('=', '')} ,\n ${hexadecimal}\n`);
    const inFile = await boot('the same in a file, old one in hexadecimal', { ...server, rootKeyFile, rows });
    expect(inFile).toMatchObject({ outcome: 'starts', ids: [newId, oldId] });
  });

  test('a server starts with the new key alone, once no row needs the old one', async () => {
    const rows = new Map([
      [newId, 4],
      [oldId, 0],
    ]);
    const rotated = await boot('new, all rows rotated', { ...server, rootKey: newKey, rows });
    expect(rotated).toMatchObject({ outcome: 'starts', ids: [newId] });
  });
});

test('a file of root’s is closed enough if only a group that the process is in may read it', () => {
  const openTo = (mode: number, uid: number, gid: number) => isOpenToOthers({ mode, uid, gid }, [1000, 2000]);
  const [root, ours, notOurs] = [0, 2000, 3000];
  for (const mode of [0o440, 0o640, 0o400, 0o600, 0o100440]) expect(openTo(mode, root, ours)).toBe(false);
  for (const mode of [0o444, 0o644, 0o660, 0o650, 0o441]) expect(openTo(mode, root, ours)).toBe(true);
  expect(openTo(0o440, root, notOurs)).toBe(true);
  expect(openTo(0o440, 1000, ours)).toBe(true);
});

describe('a server exits with 78', () => {
  test.each([
    ['Postgres, nothing set, no rows', { isEmbedded: false, isLoopback: true }],
    ['open HOST, nothing set, no rows', { isEmbedded: true, isLoopback: false }],
    ['Postgres and open HOST, nothing set, no rows', server],
  ])('a server exits with 78 and makes no key: %s', async (situation, where) => {
    const { outcome, dataDir } = await boot(situation, where);
    expect(outcome).toBe(
      '78: LATCHKEY_ROOT_KEY_FILE is not set. A secret is made up only with the embedded database and HOST on loopback. ' +
        'Run "(umask 077; openssl rand -base64 32 > secret.key)" and set LATCHKEY_ROOT_KEY_FILE to the path of that file.',
    );
    expect(await exists(join(dataDir, 'secrets'))).toBe(false);
  });

  test.each([
    [
      'laptop, root.key gone, rows',
      laptop,
      undefined,
      { [oldId]: 3 },
      `${oldId} (3 saved keys). Given: none.`,
    ],
    ['server, nothing set, rows', server, undefined, { [oldId]: 1 }, `${oldId} (1 saved key). Given: none.`],
    ['wrong key, rows', server, newKey, { [oldId]: 3 }, `${oldId} (3 saved keys). Given: ${newId}.`],
    [
      'some rows of another key',
      laptop,
      newKey,
      { [newId]: 9, [oldId]: 2 },
      `${oldId} (2 saved keys). Given: ${newId}.`,
    ],
  ])('a server exits with 78 naming ids only: %s', async (situation, where, rootKey, rows, expected) => {
    const { outcome, dataDir } = await boot(situation, {
      ...where,
      rootKey,
      rows: new Map(Object.entries(rows)),
    });
    expect(outcome).toContain(`78: Root key needed: ${expected}`);
    expect(outcome).not.toContain(newKey);
    expect(await exists(join(dataDir, 'secrets'))).toBe(false);
  });

  test('a server exits with 78 when the key is given in two places', async () => {
    const rootKeyFile = await secretFile(oldKey);
    const { outcome } = await boot('variable and file both set', { ...server, rootKey: oldKey, rootKeyFile });
    expect(outcome).toBe('78: LATCHKEY_ROOT_KEY and LATCHKEY_ROOT_KEY_FILE are both set. Keep one of them.');
  });

  test('a server exits with 78 when the file is missing, a folder, or open to others', async () => {
    const missing = join(home, 'nowhere');
    const noFile = await boot('laptop, file missing', { ...laptop, rootKeyFile: missing });
    expect(noFile.outcome).toBe(`78: LATCHKEY_ROOT_KEY_FILE names ${missing}, which does not exist.`);
    expect(await exists(join(noFile.dataDir, 'secrets'))).toBe(false);

    const folder = await boot('file is a folder', { ...server, rootKeyFile: home });
    expect(folder.outcome).toBe(`78: ${home} is a folder. Name the file in it.`);

    for (const mode of [0o604, 0o644, 0o660, 0o620, 0o610]) {
      const rootKeyFile = await secretFile(oldKey, mode);
      const open = await boot(`file of mode ${mode.toString(8)}`, { ...server, rootKeyFile });
      expect(open.outcome).toBe(
        `78: ${rootKeyFile} is open to other users of this machine. Run: chmod 600 ${rootKeyFile}. Where it is mounted, set its mode there, e.g. 0440.`,
      );
    }
  });

  const weak: [title: string, key: string, why: string][] = [
    ['empty', '', 'is empty'],
    ['only spaces', ' \n', 'is empty'],
    ['a word', 'hunter2-hunter2', 'looks typed'],
    ['a sentence', 'correct horse battery staple!', 'is not base64'],
    ['a phrase of the right length', 'thequickbrownfoxjumpsoverthelazydogandrests', 'looks typed'],
    ['16 bytes', randomBytes(16).toString('base64'), 'holds 16 bytes'],
    ['31 bytes', randomBytes(31).toString('base64'), 'holds 31 bytes'],
    ['33 bytes', randomBytes(33).toString('base64'), 'holds 33 bytes'],
    ['64 bytes', randomBytes(64).toString('base64'), 'holds 64 bytes'],
    ['zeros', Buffer.alloc(32).toString('hex'), 'is too regular to be random'],
    ['one byte over and over', Buffer.alloc(32, 0xe7).toString('hex'), 'is too regular to be random'],
    ['two bytes in turn', Buffer.alloc(32, 'e731', 'hex').toString('hex'), 'is too regular to be random'],
    ['16 bytes twice', Buffer.alloc(32, randomBytes(16)).toString('hex'), 'is too regular to be random'],
    ['counting up', Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString('hex'), 'is too regular'],
    [
      'counting down in sevens',
      Buffer.from(Array.from({ length: 32 }, (_, i) => 255 - 7 * i)).toString('hex'),
      'is too',
    ],
    [
      'text in base64',
      Buffer.from('correct horse battery staple 123').toString('base64'),
      'holds text instead of',
    ],
    [
      'hexadecimal digits in base64',
      Buffer.from(randomBytes(16).toString('hex')).toString('base64'),
      'holds text',
    ],
    ['the second of two empty', `${oldKey},`, 'is empty'],
    ['the first of two cut', `${oldKey.slice(0, 30)},${newKey}`, 'holds 22 bytes'],
  ];

  test.each(weak)('a server exits with 78 when the key is weak: %s', async (title, rootKey, why) => {
    const { outcome, dataDir } = await boot(`laptop, weak key: ${title}`, { ...laptop, rootKey });
    expect(outcome).toMatch(/^78: (Key \d of )?LATCHKEY_ROOT_KEY /);
    expect(outcome).toContain(why);
    expect(outcome).toContain('It takes 32 random bytes in base64. Make them with: openssl rand -base64 32');
    if (rootKey.length > 7) expect(outcome).not.toContain(rootKey);
    expect(await exists(join(dataDir, 'secrets'))).toBe(false);
  });
});

test('random keys are never taken for weak ones', () => {
  let accepted = 0;
  for (; accepted < 50_000; accepted += 1) parseSecret(randomBytes(32).toString('base64'), 'a key');
  say(`accepted: ${accepted} of ${accepted} random keys`);
});

describe('a secret that was made up', () => {
  test('a secret that was made up is never overwritten', async () => {
    const path = join(home, 'once', 'auth.secret');
    const first = await inventSecretFile(path);
    await expect(inventSecretFile(path)).rejects.toThrow(
      `${path} could not be made (EEXIST). Check its folder.`,
    );
    expect(await readFile(path, 'utf8')).toBe(`${first}\n`);
  });

  test('a secret that was made up serves any other secret by the same rules', async () => {
    const source = {
      name: 'LATCHKEY_AUTH_SECRET',
      value: undefined,
      file: undefined,
      inventedFile: join(home, 'auth', 'auth.secret'),
      mayInvent: true,
    };
    const said: string[] = [];
    const made = await loadSecret(source, (sentence) => said.push(sentence));
    expect(said).toEqual([`Made LATCHKEY_AUTH_SECRET and saved it as ${source.inventedFile}.`]);
    expect(await loadSecret(source, (sentence) => said.push(sentence))).toBe(made);
    expect(said).toHaveLength(1);

    const report = () => expect.unreachable();
    await expect(loadSecret({ ...source, mayInvent: false }, report)).rejects.toThrow(
      'LATCHKEY_AUTH_SECRET_FILE is not set',
    );
    await expect(loadSecret({ ...source, value: 'changeme' }, report)).rejects.toThrow(SecretSourceError);
    expect(await loadSecret({ ...source, value: ` ${newKey}\n` }, report)).toBe(newKey);
  });
});

type Situation = Pick<RootKeyInput, 'isEmbedded' | 'isLoopback'> & {
  rootKey?: string | undefined;
  rootKeyFile?: string;
  dataDir?: string;
  rows?: Map<string, number>;
};

async function boot(title: string, situation: Situation) {
  const dataDir = situation.dataDir ?? join(await mkdtemp(join(home, 'boot-')), 'data');
  const said: string[] = [];
  let ids: string[] = [];
  let outcome = 'starts';
  try {
    const rootKeys = await loadRootKeys({
      rootKey: situation.rootKey,
      rootKeyFile: situation.rootKeyFile,
      dataDir,
      isEmbedded: situation.isEmbedded,
      isLoopback: situation.isLoopback,
      rowsByRootId: async () => situation.rows ?? new Map(),
      report: (sentence) => said.push(sentence),
    });
    ids = rootKeys.map(({ id }) => id);
  } catch (error) {
    if (!(error instanceof SecretSourceError)) throw error;
    outcome = `${error.exitCode}: ${error.message}`;
  }
  table.push({ situation: title, outcome: [outcome, ...said].join('. ') });
  return { outcome, ids, said, dataDir };
}

async function secretFile(content: string, mode = 0o600): Promise<string> {
  const path = join(await mkdtemp(join(home, 'secret-')), 'root.key');
  await writeFile(path, content);
  await chmod(path, mode);
  return path;
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function idOf(key: string): string {
  return new RootKey(Buffer.from(key, 'base64')).id;
}
