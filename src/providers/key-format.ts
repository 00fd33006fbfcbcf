import type { ProviderName } from './provider.ts';

/** A pasted key that cannot be used. The message says why and never quotes it. */
export class SecretFormatError extends Error {
  override name = 'SecretFormatError';
}

/**
 * The key in a pasted text: without invisible characters, quotes, `Bearer ` or `export NAME=` around it. May be empty, for servers
 * that need no key. Throws SecretFormatError if the rest cannot be sent in a header.
 */
export function normaliseSecret(text: string): string {
  if (text.length > LONGEST_PASTE) throw tooLong();
  let secret = text.replace(INVISIBLE, '').replaceAll('\u00a0', ' ');
  for (let before = ''; before !== secret; ) {
    before = secret;
    secret = WRAPPINGS.reduce((rest, wrapping) => rest.replace(wrapping, ''), secret.trim());
  }
  if (secret.length > LONGEST_SECRET) throw tooLong();
  if (/\s/.test(secret)) {
    throw new SecretFormatError('The key has a space or line break inside. Copy it again, in one piece.');
  }
  if (!/^[\x21-\x7e]*$/.test(secret)) {
    throw new SecretFormatError(
      'The key has characters that no key has. Copy it again from where it was made.',
    );
  }
  return secret;
}

/** A hint that the secret looks like another provider's or is no chat key; null if not. Never a reason to refuse the key. */
export function hintForeignKey(provider: ProviderName, secret: string): string | null {
  // A CUSTOM server may be a gateway to any provider.
  if (provider === 'CUSTOM') return null;
  const shape = SHAPES.find(({ pattern }) => pattern.test(secret));
  if (shape === undefined || shape.provider === provider) return null;
  return `This looks like ${shape.owner}.`;
}

function tooLong(): SecretFormatError {
  return new SecretFormatError('This is too long to be a key. Paste the key alone.');
}

// Twenty times the longest key known; a pasted file is longer.
const LONGEST_SECRET = 4_096;

// Text around a key is shorter than a key. Unwrapping takes quadratic time.
const LONGEST_PASTE = 2 * LONGEST_SECRET;

// Byte order mark, zero-width characters and direction marks, which are copied along from web pages and chats.
const INVISIBLE = /[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u00ad]/g;

// Text around a key in a shell profile, a `.env` file, a header or a line of code.
const WRAPPINGS = [
  /^(export\s+)?[A-Za-z_]\w*\s*=\s*(?=[^=\s])/,
  /^authorization\s*:\s*/i,
  /^bearer\s+/i,
  /^["'`“”‘’]+/,
  /["'`“”‘’;,]+$/,
];

// The first match counts, so longer prefixes come before the shorter ones they begin with.
const SHAPES: readonly { pattern: RegExp; provider: ProviderName | null; owner: string }[] = [
  { pattern: /^sk-ant-admin/, provider: null, owner: 'an Anthropic admin key, which cannot chat' },
  { pattern: /^sk-ant-oat/, provider: null, owner: 'an Anthropic login token, which is not an API key' },
  { pattern: /^sk-ant-/, provider: 'ANTHROPIC', owner: 'a key of Anthropic' },
  { pattern: /^sk-or-/, provider: null, owner: 'a key of OpenRouter' },
  { pattern: /^sk-admin-/, provider: null, owner: 'an OpenAI admin key, which cannot chat' },
  { pattern: /^sess-/, provider: null, owner: 'an OpenAI session token, which is not an API key' },
  { pattern: /^sk-(proj|svcacct)-/, provider: 'OPENAI', owner: 'a key of OpenAI' },
  { pattern: /^sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}$/, provider: 'OPENAI', owner: 'a key of OpenAI' },
  { pattern: /^sk-[0-9a-f]{32}$/, provider: null, owner: 'a key of DeepSeek' },
  { pattern: /^AQ\.[\w-]{40,}$/, provider: 'GEMINI', owner: 'a key of Google Gemini' },
  { pattern: /^AIza[\w-]{35}$/, provider: 'GEMINI', owner: 'a key of Google Gemini' },
  { pattern: /^pplx-/, provider: 'PERPLEXITY', owner: 'a key of Perplexity' },
  { pattern: /^xai-/, provider: 'XAI', owner: 'a key of xAI' },
  { pattern: /^sk_[\w-]{40,}$/, provider: 'NOVITA', owner: 'a key of Novita AI' },
  { pattern: /^[A-Za-z0-9]{32}$/, provider: 'MISTRAL', owner: 'a key of Mistral' },
  { pattern: /^gsk_/, provider: null, owner: 'a key of Groq' },
  { pattern: /^hf_/, provider: null, owner: 'a token of Hugging Face' },
  { pattern: /^fw_/, provider: null, owner: 'a key of Fireworks' },
  { pattern: /^tgp_v1_/, provider: null, owner: 'a key of Together' },
  { pattern: /^r8_/, provider: null, owner: 'a token of Replicate' },
  { pattern: /^AKIA/, provider: null, owner: 'an access key of AWS' },
  { pattern: /^ya29\./, provider: null, owner: 'a Google login token, which is not an API key' },
  { pattern: /^(ghp_|github_pat_)/, provider: null, owner: 'a token of GitHub' },
];
