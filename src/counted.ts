/** A number with its noun in the right form: `1 key`, `2 keys`, `1,000 entries`. */
export function counted(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString('en-US')} ${number === 1 ? one : many}`;
}
