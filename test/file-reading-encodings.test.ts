import { expect, test } from 'vitest';
import { read } from './kit/file-reader.ts';

/** Texts in an encoding that they say or show, as hexadecimal digits. */
const CERTAIN = [
  ['UTF-8', '4772c3b6c39f65', 'Größe'],
  ['UTF-8 with a byte order mark', 'efbbbf4772c3b6c39f65', 'Größe'],
  ['UTF-16 with the low byte first', 'fffe47007200f600df006500', 'Größe'],
  ['UTF-16 with the high byte first', 'feff0047007200f600df0065', 'Größe'],
  ['UTF-16 in letters of Asia', 'fffe7167ac4e', '東京'],
  ['UTF-16 without a mark', '47007200f600df0065002c0031003200', 'Größe,12'],
  ['UTF-16 without a mark, with the high byte first', '0047007200f600df0065002c00310032', 'Größe,12'],
];

/** Texts in an encoding that only their letters tell. Node can decode all of them, and encode none. */
const GUESSED = [
  [
    'Shift_JIS',
    '82b182ea82cd93fa967b8cea82cc95b68fcd82c582b7814295b68e9a8352815b836882f094bb92e882b782e982bd82df82cc97e182c682b582c481418f5c95aa82c892b782b382aa82a082e882dc82b781420a',
    'これは日本語の文章です。文字コードを判定するための例として、十分な長さがあります。\n',
  ],
  [
    'EUC-JP',
    'a4b3a4eca4cfc6fccbdcb8eca4cecab8becfa4c7a4b9a1a3cab8bbfaa5b3a1bca5c9a4f2c8bdc4eaa4b9a4eba4bfa4e1a4cecee3a4c8a4b7a4c6a1a2bdbdcaaca4cac4b9a4b5a4aca4a2a4eaa4dea4b9a1a30a',
    'これは日本語の文章です。文字コードを判定するための例として、十分な長さがあります。\n',
  ],
  [
    'ISO-2022-JP',
    '1b24422433246c244f467c4b5c386c244e4a383e4f2447243921234a383b7a2533213c25492472483d446a2439246b243f2461244e4e6324482437244621223d3d4a2c244a44392435242c2422246a245e243921231b28420a',
    'これは日本語の文章です。文字コードを判定するための例として、十分な長さがあります。\n',
  ],
  [
    'GB18030',
    'd5e2cac7d2bbb6ced6d0cec4cec4d7d6a3acd3c3c0b4b2e2cad4b1e0c2ebb5c4cab6b1f0a3acb3a4b6c8d3a6b8c3d7e3b9bba1a30a',
    '这是一段中文文字，用来测试编码的识别，长度应该足够。\n',
  ],
  [
    'Big5',
    'b36fac4fa440ac71a4a4a4e5a4e5a672a141a5cea8d3b4fab8d5bd73bd58aabac3d1a74fa141aaf8abd7c0b3b8d3a8acb0f7a1430a',
    '這是一段中文文字，用來測試編碼的識別，長度應該足夠。\n',
  ],
  [
    'EUC-KR',
    'c0ccb0cdc0ba20c7d1b1b9beee20b9aec0e5c0d4b4cfb4d92e20c0cec4dab5f9c0bb20becbbec6b3bbb1e220c0a7c7d120bfb9c0d4b4cfb4d92e0a',
    '이것은 한국어 문장입니다. 인코딩을 알아내기 위한 예입니다.\n',
  ],
  [
    'windows-1251',
    'ddf2ee20f0f3f1f1eae8e920f2e5eaf1f22c20efee20eaeef2eef0eeecf320eeeff0e5e4e5ebffe5f2f1ff20eaeee4e8f0eee2eae020f4e0e9ebe02e0a',
    'Это русский текст, по которому определяется кодировка файла.\n',
  ],
  [
    'KOI8-R',
    'fcd4cf20d2d5d3d3cbc9ca20d4c5cbd3d42c20d0cf20cbcfd4cfd2cfcdd520cfd0d2c5c4c5ccd1c5d4d3d120cbcfc4c9d2cfd7cbc120c6c1caccc12e0a',
    'Это русский текст, по которому определяется кодировка файла.\n',
  ],
  [
    'windows-1252',
    '4dfc6c6c657220776f686e7420696e20646572204772fc6e656e2053747261df6520756e6420736368756c6465742031322c353020802e0a',
    'Müller wohnt in der Grünen Straße und schuldet 12,50 €.\n',
  ],
  [
    'windows-1250',
    '5a61bff3b3e62067ea9c6cb9206a619ff12c20746f206a657374207a77796bb37920706f6c736b692074656b737420646f207370726177647a656e69612e0a',
    'Zażółć gęślą jaźń, to jest zwykły polski tekst do sprawdzenia.\n',
  ],
];

test.each(CERTAIN)('a text in %s is read', async (_encoding, hex, text) => {
  expect(await read(Buffer.from(hex, 'hex'))).toMatchObject({ kind: 'TEXT', text, note: null });
});

test.each(GUESSED)('a text in %s is read, and said to be guessed', async (_encoding, hex, text) => {
  const note = 'The encoding of the text was guessed, so some letters may be wrong.';
  expect(await read(Buffer.from(hex, 'hex'))).toMatchObject({ kind: 'TEXT', text, note });
});

test('a text in UTF-8 with a wrong byte stays a text in UTF-8', async () => {
  const line = 'Der Fluß war grün, und über ihm lag Nebel: größer als gestern. ';
  const bytes = Buffer.concat([Buffer.from(line), Buffer.from([0xff]), Buffer.from(line)]);
  expect(await read(bytes)).toMatchObject({ kind: 'TEXT', text: `${line}\ufffd${line}` });
});

test('the output of a terminal, with its escapes, is a text', async () => {
  const text = '\x1b[32mgrün\x1b[0m and \x1b[31mred\x1b[0m\r\n';
  expect(await read(text)).toMatchObject({ kind: 'TEXT', text });
});

test.each([
  ['NUL', Buffer.from('a text with \0 in it')],
  ['other control characters', Buffer.from('\x01\x02\x03\x04 letters')],
  ['random bytes', Buffer.from('f3a91c07e2885b0fd61194bc7d3e20a5c8497f12e6038db1', 'hex')],
  ['UTF-16 that breaks off in a letter', Buffer.from('fffe4700d8', 'hex')],
])('a file with %s is binary', async (_title, bytes) => {
  expect(await read(bytes, 'a.txt')).toMatchObject({ type: 'refused', code: 'UNSUPPORTED' });
});
