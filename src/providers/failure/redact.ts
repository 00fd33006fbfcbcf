/**
 * Redacts keys and account names in a provider's text. `secrets` are those of the call, redacted in any shape; the patterns catch
 * other keys and those that the provider has half masked itself. Best effort, and rather too much than too little: the result
 * is a sentence for a person, not data.
 */
export function redact(text: string, secrets: readonly string[] = []): string {
  const known = secrets
    .filter((secret) => secret.length >= SHORTEST_SECRET_LENGTH)
    // One may be a part of another, whose rest would stay.
    .toSorted((left, right) => right.length - left.length)
    .reduce((redacted, secret) => redacted.replaceAll(secret, REPLACEMENT), text);
  return SHAPES.reduce((redacted, shape) => redacted.replace(shape, REPLACEMENT), known);
}

const REPLACEMENT = '[redacted]';

// Redacting every "a" would reveal that the secret is "a".
const SHORTEST_SECRET_LENGTH = 4;

// Every expression is one prefix and one run of characters: linear in the text's length.
const SHAPES: readonly RegExp[] = [
  // Credentials in addresses.
  /(?<=[?&](?:api[-_]?)?(?:key|token)=)[^&\s"'<>]+/gi,
  /(?<=:\/\/)[^\s/@]{1,300}@/g,
  // Keys by prefix, also half masked ones: OpenAI, Anthropic, Novita, xAI, Perplexity, Groq, Google, and others pasted by mistake.
  /(?<![A-Za-z])(?:sk[-_]|sess-|xai-|pplx-|gsk_|AIza|AQ\.|ya29\.|hf_|fw_|tgp_v1_|r8_|AKIA|gh[oprsu]_|github_pat_)[\w.*-]{4,}/g,
  /\bbearer\s[\w.*~+/=-]{6,}/gi,
  // Accounts.
  /(?:org-|proj_)[\w*]{6,}/g,
  /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi,
  // Keys without a prefix (Mistral: 32 letters and digits) or with text joined to it.
  /[A-Za-z0-9]{24,}/g,
  /[\w-]{40,}/g,
];
