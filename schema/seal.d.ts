/** Seals an API key for Latchkey, so that only the server can open it. The result is good once, and for 24 hours. */
export function sealApiKey(sodium: Sodium, submission: Submission): SealedSecret;

/** What is sealed, and for whom. */
export interface Submission {
  /** `sealingKey` of the workspace or team. */
  sealingKey: { id: string; publicKey: string };
  /** Id of that workspace or team. */
  owner: string;
  /** E.g. `OPENAI`, the same as in the input of the mutation. */
  provider: string;
  /** The same as in the input of the mutation, character by character; null if it has none. */
  baseUrl: string | null;
  /** The API key. */
  secret: string;
  /** Further headers that the server of a CUSTOM key asks for, e.g. `{ "X-Org": "research" }`; sealed like the key. */
  headers?: Record<string, string> | null;
}

/** The `sealed` of the input of a mutation. */
export interface SealedSecret {
  keyId: string;
  box: string;
}

/** The part of libsodium that is used: `libsodium-wrappers` or `libsodium-wrappers-sumo` once it is `ready`. */
export interface Sodium {
  base64_variants: { ORIGINAL: number; URLSAFE_NO_PADDING: number };
  crypto_box_seal(message: string, publicKey: Uint8Array): Uint8Array;
  from_base64(text: string, variant: number): Uint8Array;
  randombytes_buf(length: number): Uint8Array;
  to_base64(bytes: Uint8Array, variant: number): string;
}
