import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = new URL('../../', import.meta.url);

/** The pages that people read, as paths in the repository. */
export const PAGES = ['.', 'docs'].flatMap((folder) =>
  readdirSync(new URL(folder, ROOT))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);

/** The text of a page, or of any other file of the repository. */
export function page(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8');
}

/** Where the recipes expect the server. A test puts its own in this place and changes nothing else. */
const PUBLISHED_URL = '127.0.0.1:4000';

/** The code of the block that a page opens with `test=` and this name, for the server at `url`. */
export function recipe(name: string, url: string): string {
  const block = new RegExp(`^\`\`\`\\w+ test=${name}\n(.*?)^\`\`\`$`, 'ms');
  const [code] = PAGES.flatMap((path) => block.exec(page(path))?.[1] ?? []);
  if (code === undefined) throw new Error(`No page has a block marked test=${name}.`);
  return code.replaceAll(PUBLISHED_URL, new URL(url).host);
}

/** The cells of the first table below a heading of a page. */
export function tableBelow(path: string, heading: string): string[][] {
  const [, section = ''] = page(path).split(new RegExp(`\n#+ ${heading}\n`));
  const [, body = ''] = /^\|[ |-]+\|\n((?:\|.*\n)+)/m.exec(section) ?? [];
  return body
    .trim()
    .split('\n')
    .map((row) => row.split('|').map((cell) => cell.trim()))
    .map(([, ...cells]) => cells.slice(0, -1));
}

/** A folder outside of the checkout in which modules find the same packages. Removed when disposed of. */
export function recipeFolder(): Disposable & { path: string; write(file: string, code: string): string } {
  const path = mkdtempSync(join(tmpdir(), 'latchkey-recipe-'));
  symlinkSync(fileURLToPath(new URL('node_modules', ROOT)), join(path, 'node_modules'));
  return {
    path,
    write(file, code) {
      writeFileSync(join(path, file), code);
      return pathToFileURL(join(path, file)).href;
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true }),
  };
}

/** Runs a recipe as a module and gives what it exports. */
export async function importRecipe<Exports>(
  name: string,
  url: string,
  /** Further files beside it, by name, e.g. what a browser would fetch from the server. */
  files: Readonly<Record<string, string>> = {},
): Promise<Exports> {
  using folder = recipeFolder();
  for (const [file, code] of Object.entries(files)) folder.write(file, code);
  return await import(/* @vite-ignore */ folder.write(`${name}.ts`, recipe(name, url)));
}
