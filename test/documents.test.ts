import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DocumentNode,
  type GraphQLCompositeType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isUnionType,
  Kind,
  parse,
  print,
  type SelectionSetNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { expect, test } from 'vitest';
import { schema } from '../src/graphql/schema.ts';
import { documentNames, operationNameOf, rootTypeOf } from './kit/document.ts';
import { documentOf } from './kit/person.ts';

test('relay-compiler takes every document and warns of nothing', () => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-relay-'));
  mkdirSync(join(folder, 'documents'));
  mkdirSync(join(folder, 'artifacts'));
  for (const name of documentNames)
    writeFileSync(join(folder, 'documents', `${name}.js`), `graphql\`${print(parse(documentOf(name)))}\``);
  const config = {
    src: './documents',
    schema: './schema.graphql',
    artifactDirectory: './artifacts',
    language: 'typescript',
  };
  writeFileSync(join(folder, 'relay.config.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'schema.graphql'), readFileSync('schema/schema.graphql'));
  const compiler = createRequire(import.meta.url).resolve('relay-compiler/cli.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, '--noWatchman'], {
    cwd: folder,
    encoding: 'utf8',
  });
  const artifacts = readdirSync(join(folder, 'artifacts'));
  rmSync(folder, { recursive: true });
  expect(`${stdout}${stderr}`).not.toMatch(/warn|error/i);
  expect(status).toBe(0);
  expect(artifacts).toEqual(
    expect.arrayContaining(documentNames.map((name) => `${operationNameOf(name)}.graphql.ts`)),
  );
});

// The rule `require-selections` of @graphql-eslint, whose plugin asks for graphql 16 and brings 250 packages.
test('every object that has an id is asked for it', () => {
  const bare = allSelections.filter(({ type, paths }) => hasId(type) && !paths.has('id'));
  expect(bare.map(({ document, field }) => `${document}: ${field}`)).toEqual([]);
});

test('payloads and events ask of a thing for all that its lists and pages show', () => {
  const shown = new Map<string, Set<string>>();
  for (const { field, parent, type, paths } of allSelections)
    if (parent.name.endsWith('Edge') || SHOWN.includes(field))
      shown.set(type.name, paths.union(shown.get(type.name) ?? new Set()));
  const subjects = allSelections.filter(
    ({ parent, type }) => resultTypes.has(parent.name) && shown.has(type.name),
  );
  const lacking = subjects.flatMap(({ document, field, type, paths }) =>
    [...(shown.get(type.name) ?? [])]
      .filter((path) => !paths.has(path) && !path.includes('edges.') && !path.includes('pageInfo.'))
      .map((path) => `${document}: ${field} without ${path}`),
  );
  expect(lacking).toEqual([]);
  expect(subjects.length).toBeGreaterThan(30);
});

test('a mutation asks of an error for what that error alone carries', () => {
  const lacking = documentNames.flatMap((name) =>
    membersOf(rootTypeOf(name))
      .filter((type) => type.name.endsWith('Error') && Object.keys(type.getFields()).length > COMMON_FIELDS)
      .filter((type) => !documentOf(name).includes(`... on ${type} {`))
      .map((type) => `${name}: ${type}`),
  );
  expect(lacking).toEqual([]);
});

test('every list that comes in pages is asked for with its cursors and with where the page lies', () => {
  const pages = allSelections.filter(({ type }) => type.name.endsWith('Connection'));
  expect(pages.length).toBeGreaterThan(8);
  for (const { document, paths } of pages) {
    const [cursor, ...others] = [...paths].filter((path) => !path.startsWith('edges.node.'));
    expect([document, cursor, ...others]).toEqual([
      document,
      'edges.cursor',
      'pageInfo.hasNextPage',
      'pageInfo.hasPreviousPage',
      'pageInfo.startCursor',
      'pageInfo.endCursor',
    ]);
  }
});

interface Selection {
  document: string;
  /** The field that is asked for with it, e.g. `ThreadEdge.node`. */
  field: string;
  parent: GraphQLCompositeType;
  /** One of those that it can be. */
  type: GraphQLObjectType;
  /** Dotted paths of the values that it selects, those of its fragments included. */
  paths: Set<string>;
}

const allSelections = documentNames.flatMap((document): Selection[] => {
  const found: Selection[] = [];
  const types = new TypeInfo(schema);
  const ast = parse(documentOf(document));
  visit(
    ast,
    visitWithTypeInfo(types, {
      Field({ name, selectionSet }) {
        const parent = types.getParentType();
        const type = getNamedType(types.getType());
        if (selectionSet === undefined || parent == null || !isCompositeType(type)) return;
        for (const each of isAbstractType(type) ? schema.getPossibleTypes(type) : [type]) {
          const paths = new Set(pathsOf(ast, selectionSet, each));
          found.push({ document, field: `${parent}.${name.value}`, parent, type: each, paths });
        }
      },
    }),
  );
  return found;
});

/** The paths that a selection asks of each object of a type; of one inside, whatever it can be. */
function pathsOf(document: DocumentNode, set: SelectionSetNode, type: GraphQLObjectType): string[] {
  return set.selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) {
      const { name, selectionSet } = selection;
      const inner = getNamedType(schema.getField(type, name.value)?.type);
      if (selectionSet === undefined || !isCompositeType(inner)) return [name.value];
      const insides = isAbstractType(inner) ? schema.getPossibleTypes(inner) : [inner];
      return insides.flatMap((each) =>
        pathsOf(document, selectionSet, each).map((path) => `${name.value}.${path}`),
      );
    }
    const part =
      selection.kind === Kind.INLINE_FRAGMENT
        ? selection
        : document.definitions.find(
            (each) => each.kind === Kind.FRAGMENT_DEFINITION && each.name.value === selection.name.value,
          );
    if (part === undefined || !('selectionSet' in part) || !('typeCondition' in part)) return [];
    const condition = schema.getType(part.typeCondition?.name.value ?? type.name);
    const isPart = condition === type || (isAbstractType(condition) && schema.isSubType(condition, type));
    return isPart ? pathsOf(document, part.selectionSet, type) : [];
  });
}

function hasId(type: GraphQLCompositeType): boolean {
  return schema.getField(type, 'id') !== undefined;
}

function membersOf(type: GraphQLNamedType): readonly GraphQLObjectType[] {
  return isUnionType(type) ? type.getTypes() : [];
}

/** The payloads and events, which bring what changed. */
const resultTypes = new Set(
  documentNames
    .flatMap((name) => membersOf(rootTypeOf(name)).map((type) => type.name))
    .filter((name) => !name.endsWith('Error')),
);

/** Where things are shown that do not come in pages. */
const SHOWN = ['Query.thread', 'Viewer.workspaces', 'Viewer.teams', 'Team.workspaces'];

/** Of every error: code, message, fixableBy and retryAt. */
const COMMON_FIELDS = 4;
