// From a query's result to a grid: rows by one column, columns by another, a number where they meet. Heat maps and
// retention are drawn from it.
import { isNumeric, toNumber } from '../lib/format';
import type { QueryResult, Tile, Value } from '../lib/types';

export interface Grid {
  across: string[];
  down: string[];
  cells: (number | null)[][]; // [down][across]
  rows: (number | null)[][]; // the row of the result that a cell is of
  sizes: (number | null)[]; // of each row, when the tile has a size
  least: number;
  largest: number;
}

// Numbers in their order, everything else as it came.
function ordered(values: Value[], numeric: boolean): string[] {
  const texts = [...new Set(values.map(String))];
  return numeric ? texts.toSorted((a, b) => Number(a) - Number(b)) : texts;
}

export function gridData(tile: Tile, result: QueryResult): Grid {
  const at = (name: string) => result.meta.findIndex((column) => column.name === name);
  const [x, y, value, size] = [at(tile.x), at(tile.series), at(tile.y[0] ?? ''), at(tile.size ?? '')];
  const column = (index: number) => result.data.map((row) => row[index] ?? null);
  const numeric = (index: number) => isNumeric(result.meta[index]?.type ?? '');
  const across = ordered(column(x), numeric(x));
  const down = ordered(column(y), numeric(y));
  const acrossAt = new Map(across.map((text, index) => [text, index]));
  const downAt = new Map(down.map((text, index) => [text, index]));
  const empty = () => down.map(() => across.map((): number | null => null));
  const cells = empty();
  const rows = empty();
  const sizes: (number | null)[] = down.map(() => null);
  result.data.forEach((row, index) => {
    const i = downAt.get(String(row[y] ?? null));
    const j = acrossAt.get(String(row[x] ?? null));
    if (i === undefined || j === undefined) return;
    cells[i]![j] = toNumber(row[value]);
    rows[i]![j] = index;
    const many = toNumber(row[size]);
    if (many !== null) sizes[i] = Math.max(sizes[i] ?? 0, many);
  });
  const numbers = cells.flat().filter((number) => number !== null);
  return { across, down, cells, rows, sizes, least: Math.min(0, ...numbers), largest: Math.max(0, ...numbers) };
}
