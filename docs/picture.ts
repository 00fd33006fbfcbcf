import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Draws docs/demo.svg, the picture of README.md: runs the demo, and shows what it printed at the pace at which it printed it. The
 * animation is CSS alone, since a page that shows an SVG as a picture runs no script in it.
 */
const TICK_MS = 100; // words come about this fast; each tick costs a rule of CSS
const LONGEST_WAIT_MS = 500; // the database needs longer to open, which is nothing to look at
const READING_MS = 2_200; // before each numbered step, whose predecessor came at once
const LAST_SCREEN_MS = 8_000;

const COLUMNS = 80;
const ROWS = 27;
const WIDTH = 800;
const MARGIN = 24;
const COLUMN_WIDTH = (WIDTH - 2 * MARGIN) / COLUMNS;
const ROW_HEIGHT = 20;
const HEIGHT = ROWS * ROW_HEIGHT + 2 * MARGIN;

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const AS_ON_A_TERMINAL = 'data:text/javascript,process.stdout.isTTY = true';

const ESCAPE = '\u001b';
/** A change of style with its code, the end of a row, or text. */
const PARTS = new RegExp(`${ESCAPE}\\[(\\d+)m|\\n|[^${ESCAPE}\\n]+`, 'g');

/** A piece of a row in one style that appeared at one tick. */
interface Run {
  text: string;
  style: Style;
  tick: number;
}

/** Name of a class below; empty for plain text. */
type Style = 'b' | 'd' | 'y' | '';

/** What `styleText` writes for the styles that the demo uses. */
const STYLES: Record<string, Style> = { 1: 'b', 2: 'd', 33: 'y', 22: '', 39: '' };

const rows = readRows(await recordDemo());
writeFileSync(new URL('demo.svg', import.meta.url), draw(rows));

/** What the demo writes on a terminal, with the time of each piece. */
async function recordDemo(): Promise<{ atMs: number; text: string }[]> {
  const demo = spawn(process.execPath, ['--import', AS_ON_A_TERMINAL, MAIN, 'demo', '--once'], {
    env: { ...process.env, PORT: '0', FORCE_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pieces: { atMs: number; text: string }[] = [];
  demo.stdout.setEncoding('utf8');
  demo.stdout.on('data', (text: string) => pieces.push({ atMs: performance.now(), text }));
  const exitCode = await new Promise((resolve) => demo.once('close', resolve));
  if (exitCode !== 0) throw new Error(`The demo ended with exit code ${exitCode}.`);
  return pieces;
}

/** The rows of the terminal: the demo only ever adds to them. */
function readRows(pieces: readonly { atMs: number; text: string }[]): Run[][] {
  const rows: Run[][] = [[{ text: '$ npm run demo', style: 'd', tick: 0 }], []];
  let style: Style = '';
  let shownMs = 0;
  let lastMs = pieces[0]?.atMs ?? 0;
  for (const { atMs, text } of pieces) {
    shownMs += Math.min(atMs - lastMs, LONGEST_WAIT_MS);
    lastMs = atMs;
    for (const [part, code] of text.matchAll(PARTS)) {
      if (code !== undefined) {
        style = STYLES[code] ?? '';
        if (style === 'y') shownMs += READING_MS;
      } else if (part === '\n') rows.push([]);
      else rows.at(-1)?.push({ text: part, style, tick: Math.round(shownMs / TICK_MS) });
    }
  }
  while (rows.at(-1)?.length === 0) rows.pop();
  return rows;
}

function draw(rows: readonly Run[][]): string {
  const lastTick = rows.at(-1)?.at(-1)?.tick ?? 0;
  const ticks = lastTick + LAST_SCREEN_MS / TICK_MS;
  const percent = (tick: number) => `${((100 * tick) / ticks).toFixed(2)}%`;
  const scrolled = (row: number) => `transform:translateY(${-ROW_HEIGHT * Math.max(0, row + 1 - ROWS)}px)`;

  // Of the rows that appear at one tick, the last says how far it is scrolled.
  const lastRows = new Map(rows.flatMap((row, index) => row.map(({ tick }) => [tick, index] as const)));
  const scrolling = [...lastRows].filter(([, row]) => row >= ROWS);
  const appearing = [...lastRows.keys()].filter((tick) => tick > 0);
  const texts = rows.flatMap((row, index) => (row.length === 0 ? [] : drawRow(row, index)));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="title">
<title id="title">npm run demo: Ada connects two providers with sealed keys, makes a variant of a model and asks it, then two models at once, and reads reasoning and answers as they are written.</title>
<style>
svg{--paper:#fff;--ink:#1f2328;--faint:#59636e;--edge:#d1d9e0;--accent:#9a6700}
@media(prefers-color-scheme:dark){svg{--paper:#0d1117;--ink:#e6edf3;--faint:#9198a1;--edge:#3d444d;--accent:#d29922}}
text{font:15px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:var(--ink);white-space:pre}
.b{font-weight:700}.d{fill:var(--faint)}.y{fill:var(--accent)}
tspan,.s{animation:${(ticks * TICK_MS) / 1_000}s step-end infinite}
.s{${scrolled(rows.length - 1)};animation-name:s}
@keyframes s{0%{${scrolled(0)}}${scrolling.map(([tick, row]) => `${percent(tick)}{${scrolled(row)}}`).join('')}}
${appearing.map((tick) => `.t${tick}{animation-name:t${tick}}@keyframes t${tick}{0%{visibility:hidden}${percent(tick)}{visibility:visible}}`).join('\n')}
@media(prefers-reduced-motion:reduce){tspan,.s{animation:none}}
</style>
<rect x=".5" y=".5" width="${WIDTH - 1}" height="${HEIGHT - 1}" rx="8" fill="var(--paper)" stroke="var(--edge)"/>
<clipPath id="screen"><rect width="${WIDTH}" height="${ROWS * ROW_HEIGHT}"/></clipPath>
<g transform="translate(0 ${MARGIN})" clip-path="url(#screen)"><g class="s">
${texts.join('\n')}
</g></g>
</svg>
`;
}

function drawRow(row: readonly Run[], index: number): string {
  const spans = row.map(({ text, style, tick }) => {
    const classes = [style, tick > 0 ? `t${tick}` : ''].filter((name) => name !== '').join(' ');
    return `<tspan class="${classes}">${escapeText(text)}</tspan>`;
  });
  // Fonts differ in the width of a column, and some lack a character.
  const columns = row.reduce((sum, { text }) => sum + Array.from(text).length, 0);
  const width = Number((columns * COLUMN_WIDTH).toFixed(1));
  const baseline = index * ROW_HEIGHT + 15;
  return `<text x="${MARGIN}" y="${baseline}" textLength="${width}">${spans.join('')}</text>`;
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
