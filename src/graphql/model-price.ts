import type { ModelPrice as ModelPriceShape, PriceTier, TokenPrices } from '../providers/price.ts';
import { builder } from './builder.ts';
import { Money, usDollars } from './money.ts';

const ModelPriceTier = builder.objectRef<PriceTier>('ModelPriceTier').implement({
  description:
    'Prices of a model for long requests, per million tokens. They count for the whole request, not only for the tokens beyond the limit.',
  fields: (t) => ({
    aboveInputTokens: t.exposeInt('above', {
      description:
        'Number of input tokens, cached ones included, from above which these prices count: with 271999 a request of 272000 has them.',
    }),
    ...tokenPrices(t),
  }),
});

/** What a model costs, from whichever source. */
export const ModelPrice = builder.objectRef<ModelPriceShape>('ModelPrice').implement({
  description: 'Prices of a model, per million tokens.',
  fields: (t) => ({
    ...tokenPrices(t),
    tiers: t.expose('tiers', {
      type: [ModelPriceTier],
      description:
        'Prices for requests with more input, from the smallest limit to the largest; of those that a request exceeds the last counts. Empty if the price is the same for all requests.',
    }),
  }),
});

type Types = (typeof builder)['$inferSchemaTypes'];

function tokenPrices<Prices extends TokenPrices>(t: PothosSchemaTypes.ObjectFieldBuilder<Types, Prices>) {
  return {
    input: t.field({
      type: Money,
      description: 'Price of a million input tokens.',
      resolve: ({ input }) => usDollars(input),
    }),
    output: t.field({
      type: Money,
      description: 'Price of a million output tokens, reasoning included.',
      resolve: ({ output }) => usDollars(output),
    }),
    cachedInput: t.field({
      type: Money,
      nullable: true,
      description: 'Price of a million input tokens that the provider had cached. Null if it is not known.',
      resolve: ({ cachedInput }) => (cachedInput === null ? null : usDollars(cachedInput)),
    }),
    cacheWrite: t.field({
      type: Money,
      nullable: true,
      description:
        'Price of a million input tokens that the provider puts into its cache. Null if it is not known.',
      resolve: ({ cacheWrite }) => (cacheWrite === null ? null : usDollars(cacheWrite)),
    }),
  };
}
