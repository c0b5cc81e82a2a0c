// The lineage of a project as a drawing: each model right of everything it reads, what belongs together near each other.

export interface ModelEntry {
  model: string;
  kind: 'view' | 'incremental' | 'keyed' | 'refresh';
  description: string;
  owner: string;
  file: string;
  tables: string[]; // "bronze.x" read directly
  models: string[]; // read directly
  columns: { name: string; type: string }[];
  audits: string[];
  sql: string;
}
export interface Node {
  name: string;
  model: ModelEntry | null; // null: a table
  x: number;
  y: number;
}
export interface Graph {
  nodes: Map<string, Node>;
  edges: { from: string; to: string }[];
  width: number;
  height: number;
}

export const nodeWidth = 228;
export const nodeHeight = 40;
const columnGap = 72;
const rowGap = 10;

export function layOut(models: ModelEntry[]): Graph {
  const reads = new Map<string, string[]>();
  for (const model of models) {
    reads.set(model.model, [...new Set([...model.tables, ...model.models])]);
    for (const table of model.tables) if (!reads.has(table)) reads.set(table, []);
  }
  for (const [name, list] of reads) reads.set(name, list.filter((one) => reads.has(one)));
  // How far from tables; the list has each model after those it reads, but nothing here relies on it.
  const depth = new Map<string, number>();
  const depthOf = (name: string, seen: Set<string>): number => {
    const known = depth.get(name);
    if (known !== undefined || seen.has(name)) return known ?? 0;
    seen.add(name);
    const value = Math.max(-1, ...(reads.get(name) ?? []).map((one) => depthOf(one, seen))) + 1;
    depth.set(name, value);
    return value;
  };
  for (const name of reads.keys()) depthOf(name, new Set());
  const columns: string[][] = [];
  for (const [name, at] of [...depth].sort(([a], [b]) => a.localeCompare(b))) (columns[at] ??= []).push(name);

  // A few sweeps: each stands at the middle of what it is connected with.
  const readers = new Map<string, string[]>();
  for (const [name, list] of reads) for (const one of list) readers.set(one, [...(readers.get(one) ?? []), name]);
  const place = new Map<string, number>();
  const settle = (column: string[]) => column.forEach((name, index) => place.set(name, index - column.length / 2));
  columns.forEach(settle);
  for (let sweep = 0; sweep < 6; ++sweep) {
    const forward = sweep % 2 === 0;
    for (const column of forward ? columns : columns.toReversed()) {
      const middle = new Map(column.map((name) => {
        const others = (forward ? reads : readers).get(name) ?? [];
        return [name, others.length > 0 ? others.reduce((sum, one) => sum + (place.get(one) ?? 0), 0) / others.length : (place.get(name) ?? 0)];
      }));
      column.sort((a, b) => middle.get(a)! - middle.get(b)!);
      settle(column);
    }
  }

  const tallest = Math.max(1, ...columns.map((column) => column.length));
  const height = tallest * (nodeHeight + rowGap) - rowGap;
  const byName = new Map(models.map((model) => [model.model, model]));
  const nodes = new Map<string, Node>();
  columns.forEach((column, index) => {
    const top = (height - (column.length * (nodeHeight + rowGap) - rowGap)) / 2;
    column.forEach((name, row) =>
      nodes.set(name, { name, model: byName.get(name) ?? null, x: index * (nodeWidth + columnGap), y: top + row * (nodeHeight + rowGap) }),
    );
  });
  const edges = [...reads].flatMap(([to, list]) => list.map((from) => ({ from, to })));
  return { nodes, edges, width: columns.length * (nodeWidth + columnGap) - columnGap, height };
}

// Everything that `name` is made of or that is made of it.
export function related(graph: Graph, name: string): Set<string> {
  const found = new Set([name]);
  for (const [near, far] of [['to', 'from'], ['from', 'to']] as const) {
    const open = [name];
    for (let one = open.pop(); one !== undefined; one = open.pop())
      for (const edge of graph.edges)
        if (edge[near] === one && !found.has(edge[far])) {
          found.add(edge[far]);
          open.push(edge[far]);
        }
  }
  return found;
}

export function edgePath(from: Node, to: Node): string {
  const x1 = from.x + nodeWidth;
  const y1 = from.y + nodeHeight / 2;
  const y2 = to.y + nodeHeight / 2;
  const bend = Math.max(30, (to.x - x1) / 2);
  return `M${x1},${y1}C${x1 + bend},${y1} ${to.x - bend},${y2} ${to.x},${y2}`;
}
