import type { ByteRange } from '../vault/file-box.ts';

/**
 * The bytes that a Range header asks for (RFC 9110 §14). `whole` for a header that is absent, not understood or asks for several
 * ranges, which a server may ignore; `unsatisfiable` for a range without a byte of the content.
 */
export function parseByteRange(header: string | undefined, length: number): RequestedBytes {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/i.exec(header ?? '') ?? [];
  if (first === '' && last === '') return { type: 'whole' };
  const isSuffix = first === '';
  const start = isSuffix ? Math.max(0, length - Number(last)) : Number(first);
  const end = isSuffix || last === '' ? length : Math.min(Number(last) + 1, length);
  if (!isSuffix && last !== '' && Number(last) < Number(first)) return { type: 'whole' }; // not a range
  return start < end ? { type: 'part', range: { start, end } } : { type: 'unsatisfiable' };
}

export type RequestedBytes =
  | { type: 'whole' }
  | { type: 'part'; range: ByteRange }
  | { type: 'unsatisfiable' };
