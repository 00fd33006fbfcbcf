import fc from 'fast-check';
import sodium from 'libsodium-wrappers';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  openRecord,
  type RecordContext,
  RootKey,
  SealError,
  type SealedRecord,
  sealRecord,
  tenantPublicKey,
} from '../src/vault/seal.ts';
import { say } from './kit/say.ts';

const root = new RootKey(sodium.randombytes_buf(32));
const otherRoot = new RootKey(sodium.randombytes_buf(32));

const context: RecordContext = {
  tenantId: 'wsp_a',
  apiKeyId: 'key_1',
  provider: 'CUSTOM',
  baseUrl: 'https://gateway.example/v1/tenant-a',
  generation: 1,
  version: 1,
};

describe('a sealed key', () => {
  test('a sealed key opens to exactly what was sealed, whatever the text, the bytes and the row', () => {
    const runs = { text: 0, bytes: 0 };
    fc.assert(
      fc.property(contexts(), fc.string({ unit: 'binary', maxLength: 600 }), (anyContext, secret) => {
        runs.text += 1;
        const record = sealRecord(root, anyContext, secret);
        expect(sodium.to_string(openRecord([otherRoot, root], anyContext, record))).toBe(secret);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(contexts(), fc.uint8Array({ maxLength: 600 }), (anyContext, secret) => {
        runs.bytes += 1;
        const record = sealRecord(root, anyContext, secret);
        expect(openRecord([root], anyContext, record)).toEqual(new Uint8Array(secret));
      }),
      { numRuns: 500 },
    );
    say(`opened as sealed: ${runs.text} texts, ${runs.bytes} byte strings`);
  });

  test('a sealed key of an earlier release still opens', () => {
    const earlierRoot = new RootKey(Uint8Array.from({ length: 32 }, (_, index) => index));
    expect(earlierRoot.id).toBe('27099615fcddac8f');
    const record = {
      rootId: earlierRoot.id,
      ciphertext: sodium.from_base64(
        'fmtEYDvjOso5zuLOPib51xSHBnNb1zlkww0QHCT7Cl9D8KUpkLupueEPn8Z6G1c3bz6mGCMjMeqdta7/X0fSz4WmKbX/uKDgM6ObKHzMpqDTLkuJA6SFrdAtSPtv3OXjIbljOMRe3nTp7+uxHNwXfqAklw8eZLU54JlGxm0k2ZEfTWL9sv5HnJG/ch7IqZ2bAVkkjDLAevHOgIYIHpSVnO93x8Bm0VzkqBfVNM6TBeMm/Kc1gMK+A4GuoAPRoKP6PPvA3mZulDKLLqT7ApaD8nkAGMFb4/aZKorwTiY/48PBbzzfyEA+2IiavMR5dlTYmCsmOQBvC9kEVV1uetfccyrTlMwKbIfJzBv+Es0HZOEkUNWiAcoOYKMwa68YXzbmDjN9QralHGm/4BtvP+CGdg==',
        sodium.base64_variants.ORIGINAL,
      ),
      tag: sodium.from_base64(
        'gVtmC9exhmN1sQxBoX7jSM5peqEHvgmyvekeyou/hJI=',
        sodium.base64_variants.ORIGINAL,
      ),
    };
    expect(sodium.to_string(openRecord([earlierRoot], context, record))).toBe('sk-earlier-release');
  });

  test('a sealed key does not show how long it is, nor that two keys are the same', () => {
    const lengths = [0, 1, 51, 164, 215].map((length) => sealRecord(root, context, 'k'.repeat(length)));
    expect(new Set(lengths.map(({ ciphertext }) => ciphertext.length))).toEqual(new Set([48 + 256]));
    const [first, second] = [sealRecord(root, context, 'sk-same'), sealRecord(root, context, 'sk-same')];
    expect(first.ciphertext).not.toEqual(second.ciphertext);
    expect(first.tag).not.toEqual(second.tag);
  });

  test('a key is sealed again under another root without its secret becoming a string', () => {
    const record = sealRecord(root, context, 'sk-rotated');
    const opened = openRecord([otherRoot, root], context, record);
    const next = { ...context, version: 2 };
    const rotated = sealRecord(otherRoot, next, opened);
    expect(sodium.to_string(opened)).toBe('sk-rotated');
    expect(sodium.to_string(openRecord([otherRoot], next, rotated))).toBe('sk-rotated');
    expect(refusal(() => openRecord([otherRoot], next, record))).toBe('unknown-root');
    expect(refusal(() => openRecord([root, otherRoot], next, record))).toBe('tampered');
  });
});

describe('a database writer cannot make a row open', () => {
  const record = sealRecord(root, context, 'sk-victim');

  test('a database writer cannot make a row open by changing one thing of it', () => {
    const changedRows: [string, RecordContext, SealedRecord][] = [
      ['owner', { ...context, tenantId: 'wsp_b' }, record],
      ['row', { ...context, apiKeyId: 'key_2' }, record],
      ['provider', { ...context, provider: 'OPENAI' }, record],
      ['base URL, other host', { ...context, baseUrl: 'https://gateway.evil/v1/tenant-a' }, record],
      ['base URL, other path', { ...context, baseUrl: 'https://gateway.example/v1/tenant-b' }, record],
      ['base URL, other scheme', { ...context, baseUrl: 'http://gateway.example/v1/tenant-a' }, record],
      ['base URL, trailing slash', { ...context, baseUrl: `${context.baseUrl}/` }, record],
      ['generation', { ...context, generation: 2 }, record],
      ['version', { ...context, version: 2 }, record],
      ['root id, another given root', context, { ...record, rootId: otherRoot.id }],
      ['tag, empty', context, { ...record, tag: new Uint8Array() }],
      ['tag, shorter', context, { ...record, tag: record.tag.slice(0, 16) }],
      ['ciphertext, empty', context, { ...record, ciphertext: new Uint8Array() }],
      ['ciphertext, longer', context, { ...record, ciphertext: Uint8Array.from([...record.ciphertext, 0]) }],
    ];
    for (const [title, changedContext, changedRecord] of changedRows) {
      expect(
        refusal(() => openRecord([root, otherRoot], changedContext, changedRecord)),
        title,
      ).toBe('tampered');
    }
    expect(refusal(() => openRecord([root], context, { ...record, rootId: '0000000000000000' }))).toBe(
      'unknown-root',
    );
    say(`refused: ${changedRows.length + 1} single changes of a row`);
  });

  test('a database writer cannot make a row open by changing any part of its context to anything else', () => {
    let refused = 0;
    fc.assert(
      fc.property(contexts(), contexts(), fc.constantFrom(...contextParts), (before, other, part) => {
        fc.pre(before[part] !== other[part]);
        const sealed = sealRecord(root, before, 'sk-victim');
        const changed = { ...before, [part]: other[part] };
        expect(refusal(() => openRecord([root], changed, sealed))).toBe('tampered');
        refused += 1;
      }),
      { numRuns: 500 },
    );
    say(`refused: ${refused} random changes of one part of the context`);
  });

  test('a database writer cannot make a row open by moving the border between two parts of its context', () => {
    const moved = { ...context, tenantId: 'wsp_ak', apiKeyId: 'ey_1' };
    expect(refusal(() => openRecord([root], moved, record))).toBe('tampered');
    const movedUrl = { ...context, provider: 'CUSTOMh', baseUrl: context.baseUrl.slice(1) };
    expect(refusal(() => openRecord([root], movedUrl, record))).toBe('tampered');
  });

  test('a database writer cannot make a row open by flipping any bit of ciphertext or tag, or cutting the ciphertext anywhere', () => {
    let refused = 0;
    for (const part of ['ciphertext', 'tag'] as const) {
      for (let bit = 0; bit < record[part].length * 8; bit += 1) {
        const flipped = Uint8Array.from(record[part], (byte, index) =>
          index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte,
        );
        expect(refusal(() => openRecord([root], context, { ...record, [part]: flipped }))).toBe('tampered');
        refused += 1;
      }
    }
    say(`refused: ${refused} flipped bits of ${refused}`);
    for (let length = 0; length < record.ciphertext.length; length += 1) {
      const cut = { ...record, ciphertext: record.ciphertext.slice(0, length) };
      expect(refusal(() => openRecord([root], context, cut))).toBe('tampered');
    }
    say(`refused: ${record.ciphertext.length} cuts`);
  });

  test('a database writer cannot make a row open by swapping it with a row of the same owner or of another', () => {
    const rows = ['wsp_a', 'wsp_b'].flatMap((tenantId) =>
      ['key_1', 'key_2'].map((apiKeyId) => ({ ...context, tenantId, apiKeyId })),
    );
    const records = rows.map((row) => sealRecord(root, row, `sk-${row.tenantId}-${row.apiKeyId}`));
    let refused = 0;
    for (const [to, row] of rows.entries()) {
      for (const [from, swapped] of records.entries()) {
        if (from === to) continue;
        expect(refusal(() => openRecord([root], row, swapped))).toBe('tampered');
        refused += 1;
      }
    }
    say(`refused: ${refused} swaps of rows`);
  });

  test('a database writer cannot make a row open by forging a box with the public key', () => {
    const publicKey = tenantPublicKey(root, context.tenantId, context.generation);
    const ciphertext = sodium.crypto_box_seal(paddedPlain(root.id, context, 'sk-attacker'), publicKey);
    expect(refusal(() => openRecord([root], context, { ...record, ciphertext }))).toBe('tampered');
  });

  test('a database writer cannot make a row open even with a valid tag, if the box was made for another row', () => {
    const publicKey = tenantPublicKey(root, context.tenantId, context.generation);
    const otherRow = { ...context, apiKeyId: 'key_2' };
    const forge = (boxed: RecordContext) => {
      const ciphertext = sodium.crypto_box_seal(paddedPlain(root.id, boxed, 'sk-boxed'), publicKey);
      const macKey = root.derive('latchkey/row-mac/v1', context.tenantId, context.generation);
      const tag = sodium.crypto_generichash(32, joined(bindingOf(root.id, context), ciphertext), macKey);
      return { rootId: root.id, ciphertext, tag };
    };
    expect(sodium.to_string(openRecord([root], context, forge(context)))).toBe('sk-boxed');
    expect(refusal(() => openRecord([root], context, forge(otherRow)))).toBe('tampered');
  });
});

describe('what has no unambiguous bytes is not sealed', () => {
  test.each([
    ['a secret with half a character', context, 'sk-\ud800'],
    ['an id with half a character', { ...context, tenantId: '\udc00' }, 'sk-fine'],
    ['a version beyond 32 bits', { ...context, version: 2 ** 32 + 1 }, 'sk-fine'],
    ['a negative version', { ...context, version: -1 }, 'sk-fine'],
    ['a generation between two numbers', { ...context, generation: 1.5 }, 'sk-fine'],
    ['a generation that is no number', { ...context, generation: Number.NaN }, 'sk-fine'],
  ])('%s', (_title, oddContext, secret) => {
    expect(refusal(() => sealRecord(root, oddContext, secret))).toBe('malformed');
  });
});

describe('keys in memory', () => {
  afterEach(() => vi.restoreAllMocks());

  test('keys in memory are wiped once a record was sealed, opened or refused', () => {
    const keyPairs = vi.spyOn(sodium, 'crypto_box_seed_keypair');
    const padded = vi.spyOn(sodium, 'pad');
    const boxed = vi.spyOn(sodium, 'crypto_box_seal_open');
    const unpadded = vi.spyOn(sodium, 'unpad');
    const record = sealRecord(root, context, 'sk-wiped');
    const opened = openRecord([root], context, record);
    expect(refusal(() => openRecord([root], { ...context, version: 2 }, record))).toBe('tampered');

    const seeds = keyPairs.mock.calls.map(([seed]) => seed);
    const privateKeys = keyPairs.mock.results.map((result) => result.value.privateKey);
    const plains = [padded, unpadded, boxed].flatMap((spy) => spy.mock.results.map((result) => result.value));
    const inputs = padded.mock.calls.map(([plain]) => plain);
    expect(seeds.length + privateKeys.length + plains.length + inputs.length).toBe(2 + 2 + 3 + 1);
    for (const buffer of [...seeds, ...privateKeys, ...plains, ...inputs]) {
      expect(buffer).toEqual(new Uint8Array(buffer.length));
    }
    expect(sodium.to_string(opened)).toBe('sk-wiped');
    expect(opened.buffer.byteLength).toBe(opened.length);
  });

  test('keys in memory of a root are in nothing that can be printed or copied', () => {
    const bytes = new TextEncoder().encode('a root key of thirty-two bytes..');
    const shown = new RootKey(bytes);
    expect(Object.getOwnPropertyNames(shown)).toEqual(['id']);
    expect(JSON.stringify({ ...shown })).toBe(JSON.stringify({ id: shown.id }));
    expect(shown.id).toMatch(/^[0-9a-f]{16}$/);
    expect(shown.id).not.toBe(new RootKey(bytes.fill(0)).id);
  });

  test('keys in memory are in no refusal', () => {
    const record = sealRecord(root, context, 'sk-canary-refused');
    try {
      openRecord([root], { ...context, version: 2 }, record);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(SealError);
      expect({ ...(error as SealError), message: String(error) }).toMatchInlineSnapshot(`
        {
          "message": "SealError: The sealed bytes are not the ones that were sealed here.",
          "name": "SealError",
          "type": "tampered",
        }
      `);
      expect(error).not.toHaveProperty('cause');
    }
  });
});

const contextParts = ['tenantId', 'apiKeyId', 'provider', 'baseUrl', 'generation', 'version'] as const;

function contexts(): fc.Arbitrary<RecordContext> {
  const text = fc.string({ unit: 'binary', maxLength: 40 });
  const number = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  return fc.record({
    tenantId: text,
    apiKeyId: text,
    provider: text,
    baseUrl: text,
    generation: number,
    version: number,
  });
}

/** The written format once more, so that a change of it fails here. */
function bindingOf(
  rootId: string,
  { tenantId, apiKeyId, provider, baseUrl, generation, version }: RecordContext,
) {
  const texts = ['latchkey/api-key/v1', tenantId, apiKeyId, provider, baseUrl, rootId].map((text) =>
    Buffer.from(text),
  );
  return joined(...texts, uint32(generation), uint32(version));
}

function paddedPlain(rootId: string, boxed: RecordContext, secret: string): Uint8Array {
  const bound = sodium.crypto_generichash(32, bindingOf(rootId, boxed), null);
  return sodium.pad(joined(bound, Buffer.from(secret)), 256);
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts.flatMap((part) => [uint32(part.length), part])));
}

function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function refusal(open: () => unknown): string {
  try {
    open();
  } catch (error) {
    if (error instanceof SealError) return error.type;
    throw error;
  }
  return 'opened';
}
