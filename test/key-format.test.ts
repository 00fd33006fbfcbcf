import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hintForeignKey, normaliseSecret, SecretFormatError } from '../src/providers/key-format.ts';
import type { ProviderName } from '../src/providers/provider.ts';

const KEYS = {
  anthropic: `sk-ant-api03-${'a'.repeat(93)}AA`,
  openai: `sk-proj-${'b'.repeat(58)}T3BlbkFJ${'b'.repeat(58)}`,
  gemini: `AQ.Ab8RN6${'c'.repeat(40)}`,
  mistral: 'd'.repeat(32),
  perplexity: `pplx-${'e'.repeat(48)}`,
  xai: `xai-${'f'.repeat(80)}`,
  novita: `sk_${'g'.repeat(43)}`,
};

describe('a pasted key', () => {
  const key = KEYS.openai;

  test.each([
    ['as it is', key],
    ['with a line break after it', `${key}\r\n`],
    ['with a byte order mark and zero-width spaces', `\ufeff${key.slice(0, 9)}\u200b${key.slice(9)}\u2060`],
    ['with no-break spaces around it', `\u00a0${key}\u00a0`],
    ['in quotes', `"${key}"`],
    ['in curly quotes', `“${key}”`],
    ['in backticks', `\`${key}\``],
    ['from an object literal', `'${key}',`],
    ['from a shell profile', `export OPENAI_API_KEY="${key}";`],
    ['from a .env file', `OPENAI_API_KEY=${key}`],
    ['from a header', `Authorization: Bearer ${key}`],
    ['from a quoted header value', `"bearer ${key}"`],
  ])('a pasted key is found %s', (_title, text) => {
    expect(normaliseSecret(text)).toBe(key);
  });

  test('a pasted key keeps the padding of a base64 key', () => {
    expect(normaliseSecret('QUJDRA==')).toBe('QUJDRA==');
    expect(normaliseSecret('KEY=QUJDRA==')).toBe('QUJDRA==');
  });

  test('a pasted key may be empty, for a server that needs none', () => {
    expect(normaliseSecret(' \n')).toBe('');
  });

  test.each([
    ['a space inside', 'sk-canary-1 sk-canary-2'],
    ['a line break inside', 'sk-canary-1\nsk-canary-2'],
    ['a control character', 'sk-canary-\u0007'],
    ['letters of another alphabet', 'sk-canary-ключ'],
    ['the length of a file', 'sk-canary-'.repeat(1_000)],
  ])('a pasted key with %s is refused with a sentence that does not quote it', (_title, text) => {
    expect(() => normaliseSecret(text)).toThrow(SecretFormatError);
    expect(() => normaliseSecret(text)).not.toThrow(/canary/);
  });

  test('a pasted key can always travel in a header once it is accepted', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        let secret: string;
        try {
          secret = normaliseSecret(text);
        } catch (error) {
          expect(error).toBeInstanceOf(SecretFormatError);
          return;
        }
        expect(() => new Headers({ authorization: `Bearer ${secret}` })).not.toThrow();
        expect(normaliseSecret(secret)).toBe(secret);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a key of another provider', () => {
  const owners: [ProviderName, string][] = [
    ['ANTHROPIC', KEYS.anthropic],
    ['OPENAI', KEYS.openai],
    ['GEMINI', KEYS.gemini],
    ['MISTRAL', KEYS.mistral],
    ['PERPLEXITY', KEYS.perplexity],
    ['XAI', KEYS.xai],
    ['NOVITA', KEYS.novita],
  ];

  test.each(owners)(
    'a key of another provider is not suspected when it belongs to %s',
    (provider, secret) => {
      expect(hintForeignKey(provider, secret)).toBeNull();
    },
  );

  test('a key of another provider is named, whatever it was pasted for', () => {
    for (const [owner, secret] of owners) {
      for (const [provider] of owners) {
        if (provider !== owner)
          expect(hintForeignKey(provider, secret)).toMatch(/^This looks like a key of /);
      }
    }
    expect(hintForeignKey('OPENAI', KEYS.anthropic)).toBe('This looks like a key of Anthropic.');
    expect(hintForeignKey('OPENAI', `sk-or-v1-${'0'.repeat(64)}`)).toBe(
      'This looks like a key of OpenRouter.',
    );
    expect(hintForeignKey('OPENAI', `sk-${'0a'.repeat(16)}`)).toBe('This looks like a key of DeepSeek.');
  });

  test('a key of another provider that cannot chat is named even at its own provider', () => {
    expect(hintForeignKey('ANTHROPIC', 'sk-ant-admin01-x')).toBe(
      'This looks like an Anthropic admin key, which cannot chat.',
    );
    expect(hintForeignKey('OPENAI', 'sk-admin-x')).toBe(
      'This looks like an OpenAI admin key, which cannot chat.',
    );
  });

  test('a key of another provider is nothing remarkable at a server of one’s own, nor is a key of unknown shape', () => {
    expect(hintForeignKey('CUSTOM', KEYS.anthropic)).toBeNull();
    expect(hintForeignKey('OPENAI', 'sk-something-new')).toBeNull();
    expect(hintForeignKey('GEMINI', '')).toBeNull();
  });
});
