/**
 * A number times a power of ten in plain digits, e.g. `0.25` for 25e-8 and 6 places. The point is moved and nothing calculated,
 * since floating point would make 0.24999999999999997 of it. Null for what is no number from zero up, and for a number with more
 * digits than an amount of money has.
 */
export function shiftPoint(number: unknown, places: number): string | null {
  if (typeof number !== 'number' && typeof number !== 'string') return null;
  const [, whole, fraction = '', exponent = '0'] = NUMBER.exec(String(number)) ?? [];
  if (whole === undefined) return null;
  const decimals = fraction.length - Number(exponent) - places;
  const digits = (whole + fraction + '0'.repeat(Math.max(-decimals, 0))).padStart(decimals + 1, '0');
  const pointAt = digits.length - Math.max(decimals, 0);
  const before = digits.slice(0, pointAt).replace(/^0+(?=\d)/, '');
  const after = digits.slice(pointAt).replace(/0+$/, '');
  if (before.length > MOST_DIGITS || after.length > MOST_DIGITS) return null;
  return after === '' ? before : `${before}.${after}`;
}

// Lists are foreign text: a long exponent would be a long text.
const NUMBER = /^(\d{1,40})(?:\.(\d{1,40}))?(?:e([+-]?\d{1,2}))?$/i;
/** On each side of the point: as many as the scalar Decimal takes. */
const MOST_DIGITS = 18;
