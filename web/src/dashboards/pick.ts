// What a click on a value does: choose it in the filter that it belongs to, or open the rows behind its row.
import { choice } from './choice.svelte';
import { route } from '../frame/route.svelte';
import type { QueryResult, Tile, Value } from '../lib/types';

type Row = QueryResult['data'][number];

export const filterable = (column: string): boolean => choice.filterOf(column) !== undefined;
export const chosen = (column: string, value: Value): boolean => {
  const filter = choice.filterOf(column);
  return filter !== undefined && choice.values(filter.name).includes(String(value));
};
export function pick(column: string, value: Value): void {
  const filter = choice.filterOf(column);
  if (filter && value !== null) choice.toggle(filter, String(value));
}

// In the address: ?rows=<tile>&row.<column>=<value>, only columns that the tile's `drill` names.
export const rowsOf = (tile: Tile, result: QueryResult, row: Row): [string, string][] =>
  (tile.drill?.parameters ?? []).flatMap((name) => {
    const value = row[result.meta.findIndex((column) => column.name === name)];
    return value === undefined || value === null ? [] : [[`row.${name}`, String(value)] as [string, string]];
  });
export function openRows(index: number, tile: Tile, result: QueryResult, row: Row): void {
  closeRows();
  route.set({ rows: String(index), ...Object.fromEntries(rowsOf(tile, result, row)) });
}
export function closeRows(): void {
  const query = new URLSearchParams(route.search);
  route.set(Object.fromEntries([...query.keys()].filter((name) => name === 'rows' || name.startsWith('row.')).map((name) => [name, null])));
}
// A mark on a chart: its category, day or series when that is a filter, else the rows behind it.
export function pickMark(index: number, tile: Tile, result: QueryResult, row: Row | undefined): void {
  if (!row) return;
  for (const column of [tile.series, tile.x]) {
    const at = result.meta.findIndex((one) => one.name === column);
    if (column && at >= 0 && filterable(column)) return pick(column, row[at] ?? null);
  }
  if (tile.drill) openRows(index, tile, result, row);
}
