/**
 * Seals an API key for Latchkey, in a browser or in Node. Only the server can open the result, so that proxies, request
 * logs and dumps of GraphQL variables on the way never hold the key. It is good once, and for 24 hours. It does not protect
 * against a server that lies about its public key: that is what TLS is for.
 *
 * Needs libsodium (`libsodium-wrappers` or its `-sumo` sibling), already loaded:
 *
 *     await sodium.ready;
 *     const sealed = sealApiKey(sodium, { sealingKey, owner, provider: 'OPENAI', baseUrl: null, secret });
 *     // then addApiKey(input: { …, sealed })
 *
 * In any other language: `crypto_box_seal` over the JSON below as UTF-8, written as base64. `id` is 16 random bytes in
 * base64 for URLs without padding, `at` the time in ISO 8601, in UTC, and `pad` so many spaces that the JSON is a multiple
 * of 256 bytes long. The length of the box then does not tell the length of the secret.
 *
 * @type {typeof import('./seal.d.ts').sealApiKey}
 */
export function sealApiKey(sodium, { sealingKey, owner, provider, baseUrl, secret, headers = null }) {
  const { ORIGINAL, URLSAFE_NO_PADDING } = sodium.base64_variants;
  const id = sodium.to_base64(sodium.randombytes_buf(16), URLSAFE_NO_PADDING);
  const at = new Date().toISOString();
  const content = { v: 2, id, at, owner, provider, baseUrl, secret, headers, pad: '' };
  const unpaddedBytes = new TextEncoder().encode(JSON.stringify(content)).length;
  content.pad = ' '.repeat(-unpaddedBytes & 255);
  const publicKey = sodium.from_base64(sealingKey.publicKey, ORIGINAL);
  const box = sodium.crypto_box_seal(JSON.stringify(content), publicKey);
  return { keyId: sealingKey.id, box: sodium.to_base64(box, ORIGINAL) };
}
