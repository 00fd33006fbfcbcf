/** Does the same for all items, so many at a time. */
export async function inGroups<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += atOnce)
    results.push(
      ...(await Promise.all(
        items.slice(start, start + atOnce).map((item, index) => work(item, start + index)),
      )),
    );
  return results;
}
