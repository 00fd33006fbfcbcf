/**
 * The Content-Disposition header with which browsers save a response under this name and never show it (RFC 6266). Names that are
 * not ASCII are encoded as in RFC 8187; the ASCII form is for clients that do not know that.
 */
export function savedAs(fileName: string): string {
  const plain = fileName.replace(/[^\x20-\x7e]/g, '_').replace(/["\\%]/g, '_');
  const encoded = encodeURIComponent(fileName.toWellFormed()).replace(/['()*]/g, percentEncoded);
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
