import { sql } from 'drizzle-orm';
import { customType, text, timestamp } from 'drizzle-orm/pg-core';

/**
 * A point in time, in the milliseconds of a JavaScript Date: with PostgreSQL's microseconds a value that was read would not
 * be equal to the stored one.
 */
export const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/** Bytes as a plain Uint8Array on both engines. */
export const bytes = customType<{ data: Uint8Array; driverData: Uint8Array }>({
  dataType: () => 'bytea',
  toDriver: (value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength),
  fromDriver: (value) => new Uint8Array(value),
});

/** Whichever of `workspaceId` and `teamId` is set. */
export const tenantId = () =>
  text('owner_id').notNull().generatedAlwaysAs(sql`coalesce(workspace_id, team_id)`);
