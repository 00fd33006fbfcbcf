import fc from 'fast-check';
import sodium from 'libsodium-wrappers';
import { expect, test } from 'vitest';
import { sealApiKey } from '../schema/seal.js';
import { type ClientBox, ClientBoxError, openClientBox, sealingKeyOf } from '../src/vault/client-box.ts';
import { RootKey, SealError } from '../src/vault/seal.ts';
import { say } from './kit/say.ts';

const root = new RootKey(sodium.randombytes_buf(32));
const otherRoot = new RootKey(sodium.randombytes_buf(32));
const here = { tenantId: 'wsp_a', generation: 2, provider: 'CUSTOM', baseUrl: 'https://gateway.example/v1' };
const sealingKey = sealingKeyOf(root, here.tenantId, here.generation);
const content = { owner: here.tenantId, provider: here.provider, baseUrl: here.baseUrl, secret: 'sk-pasted' };

test('a key sealed by a client opens on the server, whatever the text', () => {
  let runs = 0;
  const text = fc.string({ unit: 'binary', maxLength: 300 });
  fc.assert(
    fc.property(text, text, fc.option(text), (provider, secret, baseUrl) => {
      runs += 1;
      const sealed = sealApiKey(sodium, { sealingKey, owner: here.tenantId, provider, baseUrl, secret });
      expect(openClientBox([root], { ...here, provider, baseUrl }, sealed).secret).toBe(secret);
    }),
    { numRuns: 300 },
  );
  say(`opened as sealed by the client: ${runs}`);
});

test('a sealed key fits the alphabet that libsodium writes by default', () => {
  const sealed = sealApiKey(sodium, { sealingKey, ...content });
  const box = sodium.to_base64(sodium.from_base64(sealed.box, sodium.base64_variants.ORIGINAL));
  expect(openClientBox([root], here, { ...sealed, box }).secret).toBe('sk-pasted');
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
      refusal(() => openClientBox([root], { ...here, ...expected }, sealed)),
      title,
    ).toBe('misdirected');
  }
  const claimsOther = sealApiKey(sodium, { sealingKey, ...content, owner: 'wsp_b' });
  expect(refusal(() => openClientBox([root], here, claimsOther))).toBe('misdirected');

  const ownerB = { ...here, tenantId: 'wsp_b' };
  expect(refusal(() => openClientBox([root], ownerB, sealed))).toBe('stale');
  const relabelled = { ...sealed, keyId: sealingKeyOf(root, 'wsp_b', 2).id };
  expect(refusal(() => openClientBox([root], ownerB, relabelled))).toBe('tampered');
});

test('a key sealed with an earlier generation is stale, and one under another root opens until that root is gone', () => {
  const earlier = sealApiKey(sodium, { sealingKey: sealingKeyOf(root, 'wsp_a', 1), ...content });
  expect(refusal(() => openClientBox([root, otherRoot], here, earlier))).toBe('stale');
  const sealed = sealApiKey(sodium, { sealingKey: sealingKeyOf(otherRoot, 'wsp_a', 2), ...content });
  expect(openClientBox([root, otherRoot], here, sealed).secret).toBe('sk-pasted');
  expect(refusal(() => openClientBox([root], here, sealed))).toBe('stale');
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
  expect(refusal(() => openClientBox([root], here, { keyId, box }))).toBe('stale');
});

const version1 = { v: 1, ...content };
const version2 = {
  v: 2,
  id: 'AAECAwQFBgcICQoLDA0ODw',
  at: '2026-11-28T12:00:00.000Z',
  ...content,
  headers: null as unknown,
  pad: '',
};
const sealedAtMs = Date.parse(version2.at);

test.each([
  ['no JSON', 'sk-pasted'],
  ['another version', JSON.stringify({ ...version1, v: 3 })],
  ['no version', JSON.stringify(content)],
  ['a missing part', JSON.stringify({ ...version1, secret: undefined })],
  ['a missing base URL', JSON.stringify({ ...version1, baseUrl: undefined })],
  ['an unknown part', JSON.stringify({ ...version1, note: 'x' })],
  ['a number for a secret', JSON.stringify({ ...version1, secret: 1 })],
  ['version 1 with a time', JSON.stringify({ ...version1, at: version2.at })],
  ['a list', '[]'],
  ['null', 'null'],
  ['a byte order mark', `\ufeff${JSON.stringify(version1)}`],
  ['bytes that are not UTF-8', new Uint8Array([0xff, 0xfe])],
  ['nothing', ''],
  ['no id', padded({ ...version2, id: undefined })],
  ['an id of 15 bytes', padded({ ...version2, id: 'AAECAwQFBgcICQoLDA0O' })],
  ['an id of 17 bytes', padded({ ...version2, id: `${version2.id}8A` })],
  ['an id with bits beyond its bytes', padded({ ...version2, id: 'AAECAwQFBgcICQoLDA0ODx' })],
  ['an id in the other alphabet', padded({ ...version2, id: '++ECAwQFBgcICQoLDA0ODw' })],
  ['no time', padded({ ...version2, at: undefined })],
  ['a number for a time', padded({ ...version2, at: sealedAtMs })],
  ['a time of another zone', padded({ ...version2, at: '2026-11-28T14:00:00+02:00' })],
  ['a time of no zone', padded({ ...version2, at: '2026-11-28T12:00:00' })],
  ['a day that does not exist', padded({ ...version2, at: '2026-02-30T12:00:00Z' })],
  ['no headers', padded({ ...version2, headers: undefined })],
  ['a list of headers', padded({ ...version2, headers: [] })],
  ['version 2 with an unknown part', padded({ ...version2, note: 'x' })],
  ['letters for padding', padded({ ...version2 }, 'x')],
  ['no padding', JSON.stringify({ ...version2, pad: '' })],
  ['one space too many', padded({ ...version2 }).replace('"pad":"', '"pad":" ')],
])('a box that holds %s is malformed', (_title, plain) => {
  expect(refusal(() => openClientBox([root], here, boxOf(plain), sealedAtMs))).toBe('malformed');
});

test.each([
  ['in milliseconds', '2026-11-28T12:00:00.000Z'],
  ['in seconds', '2026-11-28T12:00:00Z'],
  ['in microseconds', '2026-11-28T12:00:00.000000Z'],
  ['with UTC as an offset', '2026-11-28T12:00:00+00:00'],
])('a time written %s is good for 24 hours and may be 5 minutes ahead', (_title, at) => {
  const box = boxOf(padded({ ...version2, at }));
  const openAt = (offsetMs: number) => refusal(() => openClientBox([root], here, box, sealedAtMs + offsetMs));
  const [minute, day] = [60_000, 86_400_000];
  expect([-5 * minute - 1, -5 * minute, 0, day - 1, day].map(openAt)).toEqual([
    'ahead',
    'opened',
    'opened',
    'opened',
    'expired',
  ]);
  expect(openClientBox([root], here, box, sealedAtMs)).toEqual({
    secret: 'sk-pasted',
    headers: null,
    box: { boxId: version2.id, validUntil: new Date(sealedAtMs + day) },
  });
});

test('a box gives the headers that were sealed with the secret', () => {
  for (const headers of [null, {}, { 'X-Tenant': 'a' }])
    expect(
      openClientBox([root], here, sealApiKey(sodium, { sealingKey, ...content, headers })),
    ).toMatchObject({ secret: content.secret, headers });
});

test('boxes do not reveal the length of a secret, and no two are equal', () => {
  const boxes = ['s', 'sk-0123456789', 'sk-é漢😀'.repeat(3)].map(
    (secret) => sealApiKey(sodium, { sealingKey, ...content, secret }).box,
  );
  expect(new Set(boxes.map(({ length }) => length)).size).toBe(1);
  const ids = Array.from({ length: 50 }, () =>
    openClientBox([root], here, sealApiKey(sodium, { sealingKey, ...content })),
  ).map(({ box }) => box?.boxId);
  expect(new Set(ids).size).toBe(50);
});

test('a box that was changed, cut or is no base64 is refused', () => {
  const sealed = sealApiKey(sodium, { sealingKey, ...content });
  const bytes = Buffer.from(sealed.box, 'base64');
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    const box = flipped.toString('base64');
    expect(refusal(() => openClientBox([root], here, { ...sealed, box }))).toBe('tampered');
  }
  say(`refused: ${bytes.length * 8} flipped bits of a submission`);
  expect(refusal(() => openClientBox([root], here, { ...sealed, box: 'AAAA' }))).toBe('tampered');
  expect(refusal(() => openClientBox([root], here, { ...sealed, box: '' }))).toBe('malformed');
  expect(refusal(() => openClientBox([root], here, { ...sealed, box: `${sealed.box}\n!` }))).toBe(
    'malformed',
  );
});

test('two owners never share a sealing key or its id', () => {
  const keys = ['wsp_a', 'wsp_b'].flatMap((tenantId) =>
    [1, 2].flatMap((generation) => [root, otherRoot].map((each) => sealingKeyOf(each, tenantId, generation))),
  );
  expect(new Set(keys.map(({ id }) => id)).size).toBe(keys.length);
  expect(new Set(keys.map(({ publicKey }) => publicKey)).size).toBe(keys.length);
});

function boxOf(plain: string | Uint8Array): ClientBox {
  const box = sodium.crypto_box_seal(plain, Buffer.from(sealingKey.publicKey, 'base64'));
  return { keyId: sealingKey.id, box: Buffer.from(box).toString('base64') };
}

/** A submission padded as clients do, with spaces unless given. */
function padded(submission: object, filling = ' '): string {
  const bytes = Buffer.byteLength(JSON.stringify({ ...submission, pad: '' }));
  return JSON.stringify({ ...submission, pad: filling.repeat(256 - (bytes % 256)) });
}

function refusal(open: () => unknown): string {
  try {
    open();
  } catch (error) {
    if (error instanceof SealError || error instanceof ClientBoxError) return error.type;
    throw error;
  }
  return 'opened';
}
