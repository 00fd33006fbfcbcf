/** A model's name without what changes from one version of it to the next. */
export interface ModelFamily {
  /** Equal for all versions of a model, e.g. `gpt luna` for `gpt-5.6-luna`. */
  family: string;
  /** The numbers of the version, e.g. `[5, 6]`; empty for a name without. */
  version: readonly number[];
  /** Whether the name is that of a snapshot of one day, which is older than the name without the day. */
  isSnapshot: boolean;
}

/** The family and version that the name of a model tells. Names follow no standard: this is for the order of a list only. */
export function familyOf(name: string): ModelFamily {
  const undated = name.toLowerCase().replace(DAY, '');
  const words: string[] = [];
  const version: number[] = [];
  for (const word of undated.split(/[-_/:@ ]+/)) {
    const [, letters = '', numbers] = VERSION.exec(word) ?? [];
    if (numbers === undefined) words.push(word);
    else version.push(...numbers.split('.').map(Number));
    if (letters !== '') words.push(letters);
  }
  const family = words.filter((word) => !STAGES.has(word)).join(' ');
  return { family, version, isSnapshot: undated.length < name.length };
}

/** Whether the left model is newer than the right one of its family. */
export function isNewer(left: ModelFamily, right: ModelFamily): boolean {
  const length = Math.max(left.version.length, right.version.length);
  for (let index = 0; index < length; index++) {
    const difference = (left.version[index] ?? 0) - (right.version[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return !left.isSnapshot && right.isSnapshot;
}

/** A day at the end of a name: `-2026-03-01`, `-20260301` or `-2512`. */
const DAY = /-(?:20\d\d-?\d\d-?\d\d|2[3-9](?:0[1-9]|1[0-2]))$/;
/** `5.6`, `v3` or `qwen3`, and not a size such as `70b`. */
const VERSION = /^([a-z]*?)v?(\d{1,3}(?:\.\d{1,3})*)$/;
const STAGES: ReadonlySet<string> = new Set(['latest', 'preview']);
