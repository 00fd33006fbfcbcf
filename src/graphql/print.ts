import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isAbstractType, lexicographicSortSchema, printSchema } from 'graphql';
import { schema } from './schema.ts';

/** The generated files of `schema/` with the content they should have, by path. */
function printedFiles(): Map<string, string> {
  const sorted = lexicographicSortSchema(schema);
  const possibleTypes = Object.fromEntries(
    Object.values(sorted.getTypeMap())
      .filter(isAbstractType)
      .filter((type) => !type.name.startsWith('__'))
      .map((type) => [type.name, sorted.getPossibleTypes(type).map((possible) => possible.name)]),
  );
  return new Map([
    [pathOf('schema.graphql'), `${printSchema(sorted)}\n`],
    // Without it, normalising clients silently drop the fields of `... on UserError`.
    [pathOf('possible-types.json'), `${JSON.stringify(possibleTypes, null, 2)}\n`],
  ]);
}

/** The paths whose files differ from the code. */
export function staleFiles(): string[] {
  return [...printedFiles()].filter(([path, content]) => read(path) !== content).map(([path]) => path);
}

function pathOf(name: string): string {
  return fileURLToPath(new URL(`../../schema/${name}`, import.meta.url));
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  for (const [path, content] of printedFiles()) writeFileSync(path, content);
}
