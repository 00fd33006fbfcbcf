import { GraphQLError, Kind } from 'graphql';
import { builder } from './builder.ts';

builder.scalarType('Decimal', {
  description:
    'A decimal number as a string, exact and without an exponent, e.g. `"0.25"`. Read it with a type for decimals, not with a binary float.',
  specifiedByURL: 'https://www.w3.org/TR/xmlschema-2/#decimal',
  serialize: (text) => text,
  parseValue: parseDecimal,
  parseLiteral: (node) => parseDecimal(node.kind === Kind.STRING ? node.value : undefined),
});

function parseDecimal(value: unknown): string {
  if (typeof value === 'string' && DECIMAL.test(value)) return value;
  throw new GraphQLError('A Decimal is a string of digits with a point in it or none, e.g. "0.25".');
}

const DECIMAL = /^-?\d{1,18}(\.\d{1,18})?$/;

const CurrencyCode = builder.enumType('CurrencyCode', {
  description:
    'Currency of an amount, by its code in ISO 4217. May grow: show an unknown currency by its code.',
  values: { USD: { description: 'The dollar of the United States.' } } as const,
});

/** An amount of money; all amounts are in US dollars at present. */
export interface MoneyShape {
  amount: string;
  currency: 'USD';
}

export const Money = builder.objectRef<MoneyShape>('Money').implement({
  description: 'An amount of money in one currency.',
  fields: (t) => ({
    amount: t.expose('amount', {
      type: 'Decimal',
      description: 'Amount in units of the currency, e.g. `"0.25"`.',
    }),
    currency: t.expose('currency', { type: CurrencyCode, description: 'Currency that the amount is in.' }),
  }),
});

/** An amount of US dollars. */
export function usDollars(amount: string): MoneyShape {
  return { amount, currency: 'USD' };
}
