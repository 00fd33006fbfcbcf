/** What the name of a model tells about it. Names follow no standard, so this is for the order of a list only. */
export interface ModelName {
  /** What stands before the last slash, e.g. `deepseek` in `deepseek/deepseek-v3.1`; empty at most providers. */
  maker: string;
  /** The word that the maker's models of one kind begin with, e.g. `gemma` in `gemma-3-27b-it`. */
  line: string;
  /** The version as a number that grows, e.g. 5_006_000 for the 5.6 of `gpt-5.6-luna`; zero for a name without. */
  version: number;
  /** The name without its date and stage: that of the model of which it is a snapshot. */
  undated: string;
  /** The date of a snapshot, as a number that grows; null for a name without. */
  date: number | null;
  /** Whether it has neither a date nor the stage `preview`. */
  isPlain: boolean;
}

/** Reads the name of a model at its provider. */
export function readModelName(name: string): ModelName {
  const lower = name.toLowerCase();
  const slash = lower.lastIndexOf('/');
  const date = DATE.exec(lower);
  const own = date === null ? lower : lower.slice(0, date.index) + lower.slice(date.index + date[0].length);
  const words = own.slice(slash + 1).split(/[-_:@ ]/);
  return {
    maker: lower.slice(0, Math.max(slash, 0)),
    line: /^[a-z]*/.exec(words[0] ?? '')?.[0] ?? '',
    version: versionNumber(words),
    undated: words.filter((word) => word !== LATEST && word !== PREVIEW).join('-'),
    date: date === null ? null : dateNumber(date.slice(1)),
    isPlain: date === null && !words.includes(PREVIEW),
  };
}

/** The first three numbers of the version in the words of a name as one number. */
function versionNumber(words: readonly string[]): number {
  const numbers = words.flatMap((word) => VERSION.exec(word)?.[1]?.split('.') ?? []);
  const [major = 0, minor = 0, patch = 0] = numbers.map(Number);
  return major * 1_000_000 + minor * 1_000 + patch;
}

/** Year, month and day as one number; a part that the name leaves out is zero. */
function dateNumber(groups: readonly (string | undefined)[]): number {
  const [year, month, day, shortYear, itsMonth, firstMonth, lastYear, onlyMonth, onlyDay] =
    groups.map(Number);
  if (year) return year * 10_000 + (month ?? 0) * 100 + (day ?? 0);
  if (shortYear) return (2_000 + shortYear) * 10_000 + (itsMonth ?? 0) * 100;
  if (lastYear) return lastYear * 10_000 + (firstMonth ?? 0) * 100;
  return (onlyMonth ?? 0) * 100 + (onlyDay ?? 0);
}

/** `-2026-03-01` or `-20260301`, `-2512`, `-09-2025`, `-0613` or `-06-05`, at the end or before a tag such as `:free`. */
const DATE =
  /-(?:(20\d\d)-?(\d\d)-?(\d\d)|(2[3-9])(0[1-9]|1[0-2])|(0[1-9]|1[0-2])-(20\d\d)|(0[1-9]|1[0-2])-?([0-2]\d|3[01]))(?=$|:)/;
/** `5.6`, `v3`, `qwen3` or `4o`, and not a size such as `70b`. */
const VERSION = /^[a-z]*?v?(\d{1,3}(?:\.\d{1,3})*)o?$/;
const LATEST = 'latest';
const PREVIEW = 'preview';
