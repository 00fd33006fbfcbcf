/** What there is of something on this server, and how much of it one person may hold while there is plenty. */
export interface SharedLimit {
  total: number;
  perPerson: number;
  /** What a person may hold however little is left. */
  least: number;
}

/**
 * How much one person may hold while so much is in use: `perPerson` up to half of the total, then less and less, and `least`
 * from three quarters on. So a few people cannot take everything, and one person alone is hardly limited.
 */
export function fairShare({ total, perPerson, least }: SharedLimit, inUse: number): number {
  const scarcity = Math.min(Math.max((inUse - total / 2) / (total / 4), 0), 1);
  return Math.floor(perPerson - scarcity * (perPerson - Math.min(least, perPerson)));
}
