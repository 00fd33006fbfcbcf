/** Breaks text into lines of at most so many characters, between words. Lines and blank lines of the text stay. */
export function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap((line) => wrapLine(line, width));
}

/**
 * The part of a growing text whose line breaks are final: up to its last whole word. The result for a longer text begins with
 * that for a shorter one, so a terminal only has to append.
 */
export function wrapSettled(text: string, width: number): string {
  const settled = /^[\s\S]*\S(?=\s)/.exec(text)?.[0] ?? '';
  return wrap(settled, width).join('\n');
}

function wrapLine(line: string, width: number): string[] {
  const indent = /^(\d+\. |\s+)/.exec(line)?.[0].length ?? 0;
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(/(?<=\S)\s+/)) {
    const longer = current === '' ? word : `${current} ${word}`;
    if (longer.length <= width || current === '') {
      current = longer;
      continue;
    }
    lines.push(current);
    current = ' '.repeat(indent) + word;
  }
  return [...lines, current];
}
