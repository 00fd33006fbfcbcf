import SchemaBuilder from '@pothos/core';
import ErrorsPlugin from '@pothos/plugin-errors';
import { GraphQLError, Kind } from 'graphql';
import { UserError } from '../errors.ts';
import type { Context } from './context.ts';
import { logFailure } from './log-failure.ts';

interface SchemaTypes {
  Context: Context;
  DefaultFieldNullability: false;
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    Decimal: { Input: string; Output: string };
  };
}

/**
 * The builder that every noun adds its part to. The relay plugin is left out on purpose: it caches loaded nodes per context,
 * which for a subscription lasts as long as the client is connected.
 */
export const builder = new SchemaBuilder<SchemaTypes>({
  plugins: [ErrorsPlugin],
  defaultFieldNullability: false,
  errors: {
    directResult: true,
    defaultTypes: [],
    onResolvedError: (error) => {
      if (error instanceof UserError) logFailure(error.code);
    },
  },
});

builder.queryType({ description: 'Fields that read. None of them changes anything.' });
builder.mutationType({
  description:
    'Operations that change something. Each takes one `input` and returns a union: its payload, or an error that a person can fix.',
});
builder.subscriptionType({
  description: 'Event streams. Each begins with the present state, so that a reconnect loses nothing.',
});

builder.scalarType('DateTime', {
  description: 'A point in time in ISO 8601, in UTC with milliseconds, e.g. `2026-11-23T09:30:00.000Z`.',
  specifiedByURL: 'https://scalars.graphql.org/andimarek/date-time.html',
  serialize: (date) => date.toISOString(),
  parseValue: parseDateTime,
  parseLiteral: (node) => parseDateTime(node.kind === Kind.STRING ? node.value : undefined),
});

function parseDateTime(value: unknown): Date {
  const [, year = '', month, day] = (typeof value === 'string' && ISO_8601.exec(value)) || [];
  const date = new Date(year === '' ? Number.NaN : String(value));
  if (Number.isNaN(date.getTime()))
    throw new GraphQLError(
      'A DateTime is a string in ISO 8601 with a time zone, e.g. "2026-11-23T09:30:00Z".',
    );
  // Date parses 30 February as 2 March.
  if (Number(day) > new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate())
    throw new GraphQLError('A DateTime names a day that its month has.');
  // In UTC, so that what is stored can be shown again.
  if (date.getUTCFullYear() >= 1970 && date.getUTCFullYear() <= 9999) return date;
  throw new GraphQLError('A DateTime lies between the years 1970 and 9999.');
}

const ISO_8601 = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)$/;
