import { styleText } from 'node:util';

/** Columns of the narrowest terminal that people still use. */
const WIDTH = 80;
const MARGIN = '   ';

/** Columns of text between the margins. */
export const TEXT_WIDTH = WIDTH - 2 * MARGIN.length;

/** Begins a paragraph inside the margin, in a style, and returns what adds to it. */
export function paragraph(style = (text: string) => text): (text: string) => void {
  let isBegun = false;
  return (text) => {
    if (text === '') return;
    const indented = text.replace(/\n(?!\n)/g, `\n${MARGIN}`);
    process.stdout.write(style(isBegun ? indented : MARGIN + indented));
    isBegun = true;
  };
}

/** Writes a line inside the margin. */
export function line(text = ''): void {
  process.stdout.write(text === '' ? '\n' : `${MARGIN}${text}\n`);
}

/** Begins a numbered part, with the request at the right. */
export function heading(number: number, title: string, wire: string): void {
  const gap = ' '.repeat(Math.max(2, WIDTH - MARGIN.length * 2 - title.length - wire.length));
  const numeral = accent(String(number).padEnd(MARGIN.length));
  process.stdout.write(`\n${numeral}${strong(title)}${gap}${faint(wire)}\n\n`);
}

/** Writes a name and its value. */
export function pair(name: string, value: string): void {
  line(`${faint(name.padEnd(12))}${value}`);
}

// Node leaves out colours if the output is no terminal or NO_COLOR is set.
export const strong = (text: string) => styleText('bold', text);
export const faint = (text: string) => styleText('dim', text);
const accent = (text: string) => styleText('yellow', text);
