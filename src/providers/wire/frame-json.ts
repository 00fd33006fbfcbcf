/**
 * Frames JSON that a server wrote into an event stream without framing: a JSON document gets `data:` before each of its lines,
 * and a field `error:` becomes an event of that name. Parsers of server-sent events drop both, and servers send the reason of a
 * failure in them. Returns a function that takes the stream in pieces and returns the text to parse. The beginning of a line
 * may be held back until more of it arrives, so the last piece must end with a line feed.
 */
export function createFramer(): (piece: string) => string {
  let held = '';
  let isLineOpen = false;
  let endsInReturn = false;
  /** First character of the current unframed document; empty outside of one. */
  let opened = '';

  return (piece) => {
    const text = held + piece;
    held = '';
    if (opened === '' && isPlain(text)) {
      keepPlace(text);
      return text;
    }
    return (text.match(LINES) ?? []).map(frame).join('');
  };

  function frame(line: string): string {
    const isGoingOn = isLineOpen || (endsInReturn && line === '\n');
    if (!isGoingOn && line.length < LONGEST_FIELD && !ENDS_LINE.test(line)) {
      held = line;
      return '';
    }
    keepPlace(line);
    return isGoingOn ? line : frameLine(line);
  }

  function frameLine(line: string): string {
    const wasOpened = opened;
    if (line.startsWith('error:')) {
      opened = 'error:';
      return `${NEW_EVENT}event: error\ndata:${line.slice(opened.length)}`;
    }
    // A second object begins a second document, unless the first one is a list of objects.
    if (/^[{[]/.test(line) ? wasOpened !== '[' : wasOpened === '' && /^[ \t]+[{[]/.test(line)) {
      opened = line.trimStart().charAt(0);
      return `${NEW_EVENT}data: ${line}`;
    }
    const isFramed = /^(data|event|id|retry)?[:\r\n]/.test(line);
    if (isFramed) opened = '';
    if (wasOpened === '') return line;
    return isFramed ? NEW_EVENT + line : `data: ${line}`;
  }

  function keepPlace(text: string): void {
    if (text === '') return;
    const last = text.charAt(text.length - 1);
    isLineOpen = last !== '\n' && last !== '\r';
    endsInReturn = last === '\r';
  }
}

// One line feed may only complete a CRLF.
const NEW_EVENT = '\n\n';
const LONGEST_FIELD = 'error:'.length;
const LINES = /[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$/g;
const ENDS_LINE = /[\r\n]$/;

/** Whether every line begins with a letter of a field that needs no frame, a colon or its end: nearly all do, so this is quick. */
function isPlain(text: string): boolean {
  if (text.includes('\r') && /\r(?!\n)/.test(text)) return false;
  let start = 0;
  while (start < text.length) {
    const first = text.charAt(start);
    if (!PLAIN.includes(first) && !text.startsWith('event:', start)) return false;
    const end = text.indexOf('\n', start);
    if (end === -1) return text.length - start >= LONGEST_FIELD;
    start = end + 1;
  }
  return true;
}

const PLAIN = 'dir:\r\n';
