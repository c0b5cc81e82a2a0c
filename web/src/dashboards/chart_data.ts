// From a query's result to what uPlot draws: one x column, one or more y columns, or one y per value of a series column.
import { bareType, isDate, isMoment, isNumeric, parseTime, toNumber } from '../lib/format';
import type { QueryResult, Tile } from '../lib/types';

export interface ChartData {
  kind: 'time' | 'date' | 'number' | 'category';
  x: number[];
  labels: string[]; // category: what x counts
  rows: number[]; // of each x the first row of the result
  series: { name: string; type: string; values: (number | null)[] }[];
}

export function chartData(tile: Tile, result: QueryResult): ChartData {
  const names = result.meta.map((column) => column.name);
  const xAt = Math.max(0, names.indexOf(tile.x));
  const seriesAt = tile.series ? names.indexOf(tile.series) : -1;
  const wanted = tile.y.map((name) => names.indexOf(name)).filter((index) => index >= 0);
  const yAt = wanted.length > 0
    ? wanted
    : result.meta.flatMap((column, index) =>
        index !== xAt && index !== seriesAt && isNumeric(column.type) ? [index] : []);

  const xType = result.meta[xAt]?.type ?? 'String';
  const kind = isMoment(xType) ? 'time' : isDate(xType) ? 'date' : isNumeric(xType) && tile.chart !== 'bar' ? 'number' : 'category';
  const labels: string[] = [];
  const labelAt = new Map<string, number>();
  const position = (row: (typeof result.data)[number]): number => {
    const value = row[xAt] ?? null;
    if (kind === 'time' || kind === 'date') return parseTime(value) / 1000;
    if (kind === 'number') return toNumber(value) ?? NaN;
    const label = String(value);
    let index = labelAt.get(label);
    if (index === undefined) {
      index = labels.length;
      labelAt.set(label, index);
      labels.push(label);
    }
    return index;
  };

  const positions = result.data.map(position);
  const x = [...new Set(positions.filter((value) => !Number.isNaN(value)))].sort((a, b) => a - b);
  const rowOf = new Map(x.map((value, index) => [value, index]));
  const series = new Map<string, ChartData['series'][number]>();
  result.data.forEach((row, index) => {
    const at = rowOf.get(positions[index] ?? NaN);
    if (at === undefined) return;
    for (const column of yAt) {
      const meta = result.meta[column];
      if (!meta) continue;
      const group = seriesAt >= 0 ? String(row[seriesAt]) : '';
      const name = seriesAt < 0 ? meta.name : yAt.length > 1 ? `${group} ${meta.name}` : group;
      let target = series.get(name);
      if (!target) {
        // A missing row of a group means nothing happened when counted, unknown otherwise: a gap says less than a zero.
        target = { name, type: bareType(meta.type), values: new Array<number | null>(x.length).fill(null) };
        series.set(name, target);
      }
      target.values[at] = toNumber(row[column]);
    }
  });
  const rows = x.map((value) => positions.indexOf(value));
  return { kind, x, labels, rows, series: [...series.values()] };
}

// The period before, laid under this one: of each series and x what was there `shift` seconds earlier.
export function laidUnder(now: ChartData, before: ChartData, shift: number): ChartData['series'] {
  const timed = now.kind === 'time' || now.kind === 'date';
  const at = new Map(before.x.map((value, index) => [now.kind === 'category' ? (before.labels[value] ?? '') : value, index]));
  return now.series.map((series) => {
    const earlier = before.series.find((one) => one.name === series.name);
    const values = now.x.map((value) => {
      const index = at.get(now.kind === 'category' ? (now.labels[value] ?? '') : timed ? value - shift : value);
      return index === undefined ? null : (earlier?.values[index] ?? null);
    });
    return { ...series, values };
  });
}

// Seconds from the period before to this one; null: it has no length.
export function lengthOf(time: string): number | null {
  const [from, to] = time.split('..');
  if (from && to) {
    const [begin, end] = [from, to].map((text) => Date.parse(text.length === 10 ? `${text}T00:00:00Z` : `${text}Z`));
    return (end! - begin!) / 1000 + (to.length === 10 ? 86_400 : 0);
  }
  const match = /^last (?:(\d+) )?(minute|hour|day|week|month|year)s?$/.exec(time);
  if (!match) return null;
  const unit = { minute: 60, hour: 3600, day: 86_400, week: 7 * 86_400, month: 30 * 86_400, year: 365 * 86_400 }[match[2]!]!;
  return Number(match[1] ?? 1) * unit;
}

// Running sums from the bottom up; null counts as nothing.
export function stack(values: (number | null)[][]): number[][] {
  const sums: number[] = [];
  return values.map((list) =>
    list.map((value, index) => {
      const sum = (sums[index] ?? 0) + (value ?? 0);
      sums[index] = sum;
      return sum;
    }),
  );
}
