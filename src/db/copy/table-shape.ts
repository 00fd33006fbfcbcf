import { type SQL, sql } from 'drizzle-orm';
import type { Database } from '../database.ts';

/** A table whose rows are copied, as the database itself describes it. */
export interface TableShape {
  name: string;
  /** The columns that are stored; generated ones are left out. */
  columns: readonly Column[];
  /** The columns of the primary key, in its order. */
  key: readonly Column[];
}

interface Column {
  name: string;
  type: string;
  /** Whether its order depends on a collation, and so on the engine. */
  hasCollation: boolean;
}

/** All tables whose rows are copied, by name. They are read from the catalogue, so that no new table is forgotten. */
export async function readTableShapes(db: Database): Promise<TableShape[]> {
  const columns = await db
    .select({
      table: sql<string>`class.relname`,
      name: sql<string>`attribute.attname`,
      type: sql<string>`format_type(attribute.atttypid, null)`,
      hasCollation: sql<boolean>`attribute.attcollation <> 0`,
      keyPosition: sql<number | null>`array_position(key.conkey, attribute.attnum)`,
    })
    .from(sql`pg_class as class`)
    .innerJoin(sql`pg_attribute as attribute`, sql`attribute.attrelid = class.oid and attribute.attnum > 0`)
    .leftJoin(sql`pg_constraint as key`, sql`key.conrelid = class.oid and key.contype = 'p'`)
    .where(
      sql`class.relnamespace = 'public'::regnamespace and class.relkind = 'r'
        and not attribute.attisdropped and attribute.attgenerated = ''`,
    )
    .orderBy(sql`class.relname collate "C", attribute.attnum`);
  const tables = Map.groupBy(columns, ({ table }) => table);
  return [...tables]
    .filter(([name]) => !OF_ONE_DATABASE.includes(name))
    .map(([name, own]) => {
      const key = own
        .filter(({ keyPosition }) => keyPosition !== null)
        .sort((left, right) => Number(left.keyPosition) - Number(right.keyPosition));
      if (key.length === 0) throw new Error(`the table ${name} has no primary key to copy it by`);
      return { name, columns: own.map(toColumn), key: key.map(toColumn) };
    });
}

function toColumn({ name, type, hasCollation }: Column): Column {
  return { name, type, hasCollation };
}

/** The name of a table of which rows were found that a copy would mix with its own. Null if there is none. */
export async function findFilledTable(db: Database): Promise<string | null> {
  const tables = await db
    .select({ name: sql<string>`tablename` })
    .from(sql`pg_tables`)
    .where(sql`schemaname = 'public'`);
  for (const { name } of tables) {
    if (OF_ONE_DATABASE.includes(name) || FILLED_BY_MIGRATIONS.includes(name)) continue;
    const rows = await db.execute(sql`select from ${sql.identifier(name)} limit 1`);
    if (rows.length > 0) return name;
  }
  return null;
}

/** A row as the text of a JSON array of texts, which both engines print alike. `printAlike` has to be called before. */
export function lineOf({ columns }: TableShape): SQL {
  const texts = columns.map(({ name }) => sql`${sql.identifier(name)}::text`);
  return sql`json_build_array(${sql.join(texts, sql`, `)})::text`;
}

/** Makes a session print values in one way only, whatever the settings of its server are. */
export async function printAlike(db: Database): Promise<void> {
  await db.execute(sql`set timezone = 'UTC'`);
  await db.execute(sql`set datestyle = 'ISO, YMD'`);
  await db.execute(sql`set bytea_output = 'hex'`);
  await db.execute(sql`set extra_float_digits = 1`);
}

/** Tables about the database that they are in. */
const OF_ONE_DATABASE = ['servers', 'database_copies', 'oldest_programs'];

/** Tables of which a new database has rows already. A copy replaces them. */
export const FILLED_BY_MIGRATIONS: readonly string[] = ['settings'];
