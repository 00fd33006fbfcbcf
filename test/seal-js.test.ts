import fc from 'fast-check';
import sodium from 'libsodium-wrappers';
import { expect, test } from 'vitest';
import { sealApiKey } from '../schema/seal.js';
import { Root, SealError } from '../src/keys/seal-record.ts';
import { openSubmission, type SealedSubmission, sealingKeyOf } from '../src/keys/submission.ts';

const root = new Root(sodium.randombytes_buf(32));
const otherRoot = new Root(sodium.randombytes_buf(32));
const here = { ownerId: 'wsp_a', generation: 2, provider: 'CUSTOM', baseUrl: 'https://gateway.example/v1' };
const sealingKey = sealingKeyOf(root, here.ownerId, here.generation);
const content = { owner: here.ownerId, provider: here.provider, baseUrl: here.baseUrl, secret: 'sk-pasted' };

test('a key sealed by a client opens on the server, whatever the text', () => {
  let runs = 0;
  const text = fc.string({ unit: 'binary', maxLength: 300 });
  fc.assert(
    fc.property(text, text, fc.option(text), (provider, secret, baseUrl) => {
      runs += 1;
      const sealed = sealApiKey(sodium, { sealingKey, owner: here.ownerId, provider, baseUrl, secret });
      expect(openSubmission([root], { ...here, provider, baseUrl }, sealed)).toBe(secret);
    }),
    { numRuns: 300 },
  );
  report(`opened as sealed by the client: ${runs}`);
});

test('a sealed key fits the alphabet that libsodium writes by default', () => {
  const sealed = sealApiKey(sodium, { sealingKey, ...content });
  const box = sodium.to_base64(sodium.from_base64(sealed.box, sodium.base64_variants.ORIGINAL));
  expect(openSubmission([root], here, { ...sealed, box })).toBe('sk-pasted');
});

test('a sealed key is refused for any other owner, provider or base URL than the one it was sealed for', () => {
  const sealed = sealApiKey(sodium, { sealingKey, ...content });
  const elsewhere: [string, typeof here | { baseUrl: null }][] = [
    ['another provider', { ...here, provider: 'OPENAI' }],
    ['another host', { ...here, baseUrl: 'https://gateway.evil/v1' }],
    ['another path', { ...here, baseUrl: 'https://gateway.example/v2' }],
    ['no base URL', { ...here, baseUrl: null }],
  ];
  for (const [title, expected] of elsewhere) {
    expect(
      refusal(() => openSubmission([root], { ...here, ...expected }, sealed)),
      title,
    ).toBe('misdirected');
  }
  const claimsOther = sealApiKey(sodium, { sealingKey, ...content, owner: 'wsp_b' });
  expect(refusal(() => openSubmission([root], here, claimsOther))).toBe('misdirected');

  const ownerB = { ...here, ownerId: 'wsp_b' };
  expect(refusal(() => openSubmission([root], ownerB, sealed))).toBe('stale');
  const relabelled = { ...sealed, keyId: sealingKeyOf(root, 'wsp_b', 2).id };
  expect(refusal(() => openSubmission([root], ownerB, relabelled))).toBe('tampered');
});

test('a key sealed with an earlier sealing key still opens, until its root is gone', () => {
  const earlier = [sealingKeyOf(root, 'wsp_a', 1), sealingKeyOf(otherRoot, 'wsp_a', 2)];
  for (const earlierKey of earlier) {
    const sealed = sealApiKey(sodium, { sealingKey: earlierKey, ...content });
    expect(openSubmission([root, otherRoot], here, sealed)).toBe('sk-pasted');
  }
  const sealed = sealApiKey(sodium, { sealingKey: sealingKeyOf(otherRoot, 'wsp_a', 2), ...content });
  expect(refusal(() => openSubmission([root], here, sealed))).toBe('stale');
});

test.each([
  ['of no shape', 'current'],
  ['of a generation to come', `wsp_a.3.${root.id}`],
  ['of the same generation written otherwise', `wsp_a.02.${root.id}`],
  ['of an unknown root', 'wsp_a.2.0000000000000000'],
  ['of an owner that ends alike', `x.wsp_a.2.${root.id}`],
  ['of nothing', ''],
])('a sealing key id %s is stale', (_title, keyId) => {
  const { box } = sealApiKey(sodium, { sealingKey, ...content });
  expect(refusal(() => openSubmission([root], here, { keyId, box }))).toBe('stale');
});

test.each([
  ['no JSON', 'sk-pasted'],
  ['another version', JSON.stringify({ v: 2, ...content })],
  ['no version', JSON.stringify(content)],
  ['a missing part', JSON.stringify({ v: 1, ...content, secret: undefined })],
  ['a missing base URL', JSON.stringify({ v: 1, ...content, baseUrl: undefined })],
  ['an unknown part', JSON.stringify({ v: 1, ...content, note: 'x' })],
  ['a number for a secret', JSON.stringify({ v: 1, ...content, secret: 1 })],
  ['a list', '[]'],
  ['null', 'null'],
  ['a byte order mark', `\ufeff${JSON.stringify({ v: 1, ...content })}`],
  ['bytes that are not UTF-8', new Uint8Array([0xff, 0xfe])],
  ['nothing', ''],
])('a box that holds %s is malformed', (_title, plain) => {
  expect(refusal(() => openSubmission([root], here, boxOf(plain)))).toBe('malformed');
});

test('a box that was changed, cut or is no base64 is refused', () => {
  const sealed = sealApiKey(sodium, { sealingKey, ...content });
  const bytes = Buffer.from(sealed.box, 'base64');
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    const box = flipped.toString('base64');
    expect(refusal(() => openSubmission([root], here, { ...sealed, box }))).toBe('tampered');
  }
  report(`refused: ${bytes.length * 8} flipped bits of a submission`);
  expect(refusal(() => openSubmission([root], here, { ...sealed, box: 'AAAA' }))).toBe('tampered');
  expect(refusal(() => openSubmission([root], here, { ...sealed, box: '' }))).toBe('malformed');
  expect(refusal(() => openSubmission([root], here, { ...sealed, box: `${sealed.box}\n!` }))).toBe(
    'malformed',
  );
});

test('two owners never share a sealing key or its id', () => {
  const keys = ['wsp_a', 'wsp_b'].flatMap((ownerId) =>
    [1, 2].flatMap((generation) => [root, otherRoot].map((each) => sealingKeyOf(each, ownerId, generation))),
  );
  expect(new Set(keys.map(({ id }) => id)).size).toBe(keys.length);
  expect(new Set(keys.map(({ publicKey }) => publicKey)).size).toBe(keys.length);
});

function boxOf(plain: string | Uint8Array): SealedSubmission {
  const box = sodium.crypto_box_seal(plain, Buffer.from(sealingKey.publicKey, 'base64'));
  return { keyId: sealingKey.id, box: Buffer.from(box).toString('base64') };
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

function report(line: string): void {
  process.stdout.write(`${line}\n`);
}
