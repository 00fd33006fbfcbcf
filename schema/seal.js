/**
 * Seals an API key for Latchkey, in a browser or in Node. Only the server can open the result, so that proxies, request
 * logs and dumps of GraphQL variables on the way never hold the key. It does not protect against a server that lies about
 * its public key: that is what TLS is for.
 *
 * Needs libsodium (`libsodium-wrappers` or its `-sumo` sibling), already loaded:
 *
 *     await sodium.ready;
 *     const sealed = sealApiKey(sodium, { sealingKey, owner, provider: 'OPENAI', baseUrl: null, secret });
 *     // then addApiKey(input: { …, sealed })
 *
 * In any other language: `crypto_box_seal` over the JSON below as UTF-8, written as base64.
 *
 * @param {Sodium} sodium
 * @param {Submission} submission
 * @returns {{ keyId: string, box: string }} the input's `sealed`
 */
export function sealApiKey(sodium, { sealingKey, owner, provider, baseUrl, secret }) {
  const { ORIGINAL } = sodium.base64_variants;
  const content = JSON.stringify({ v: 1, owner, provider, baseUrl, secret });
  const box = sodium.crypto_box_seal(content, sodium.from_base64(sealingKey.publicKey, ORIGINAL));
  return { keyId: sealingKey.id, box: sodium.to_base64(box, ORIGINAL) };
}

/**
 * The part of libsodium that is used.
 *
 * @typedef {object} Sodium
 * @property {{ ORIGINAL: number }} base64_variants
 * @property {(message: string, publicKey: Uint8Array) => Uint8Array} crypto_box_seal
 * @property {(text: string, variant: number) => Uint8Array} from_base64
 * @property {(bytes: Uint8Array, variant: number) => string} to_base64
 */

/**
 * @typedef {object} Submission
 * @property {{ id: string, publicKey: string }} sealingKey `sealingKey` of the workspace or team
 * @property {string} owner id of that workspace or team
 * @property {string} provider e.g. `OPENAI`, the same as in the input
 * @property {string | null} baseUrl the same as in the input, character by character; null if it has none
 * @property {string} secret the API key
 */
