// What the server sends; src/serve/documents.h is the other side.

export type Format =
  | 'automatic' | 'number' | 'integer' | 'decimal' | 'percent' | 'money'
  | 'duration' | 'bytes' | 'date' | 'time' | 'text';

export interface TileColumn {
  column: string;
  title: string;
  format: Format;
  unit: string;
  decimals?: number;
  bar: boolean;
  shade?: boolean;
  tones?: { above?: number; below?: number; is?: string; tone: 'good' | 'warn' | 'bad' }[];
}

export interface Tile {
  title: string;
  chart: 'number' | 'line' | 'area' | 'bar' | 'table' | 'top' | 'heatmap' | 'funnel' | 'retention' | 'scatter' | 'text';
  description: string;
  query: string;
  x: string;
  y: string[];
  series: string;
  stacked: boolean;
  format: Format;
  unit: string;
  decimals?: number;
  width: number;
  height: number;
  compare: string;
  trend: string;
  good: 'up' | 'down' | 'none';
  columns: TileColumn[];
  sort: string;
  limit: number;
  text?: string; // Markdown
  size?: string;
  label?: string;
  parameters: string[]; // of the dashboard's time and filters that its query names
  drill?: { title: string; parameters: string[] };
}

export interface Filter {
  name: string;
  title: string;
  type: string;
  column: string; // of results: a click on such a value chooses it
  options: boolean; // the server knows its values
}

// How many of each the project has; the navigation shows what is there.
export interface Sections {
  models: number;
  segments: number;
  profiles: string[]; // tables of people: cdp.profiles
  experiments: number;
  alerts: number;
  destinations: number;
}

export interface Dashboard {
  name: string;
  title: string;
  description: string;
  // asked: tiles are asked for a range of time
  time: { asked: boolean; default: string; presets: string[]; zone: string; compare: boolean };
  filters: Filter[];
  tiles: Tile[];
}

export type Value = string | number | boolean | null | Value[];

export interface QueryResult {
  meta: { name: string; type: string }[];
  data: Value[][];
  rows: number;
}

export interface TileError {
  kind: string;
  message: string;
  remedy: string;
}

export interface TileState {
  result?: QueryResult;
  before?: QueryResult; // of the period before
  error?: TileError;
}

export interface TableStatus {
  table: string;
  state: string;
  rows_applied: number;
  quarantined: number;
  copy_rows: number;
  copy_rows_estimate: number;
  error?: string;
}

export const ladderSteps = ['server', 'received', 'cut', 'queryable', 'fenced', 'acknowledged'] as const;
export type LadderStep = (typeof ladderSteps)[number];

export interface SourceStatus {
  source: string;
  state: string;
  error: string;
  as_of_ms: number;
  lag_ms: number;
  lag_bytes: number;
  positions: 'lsn' | 'messages' | 'runs';
  rows_per_second: number;
  transactions: number;
  last_cut: number;
  commit_to_queryable_ms: { p50: number; p99: number };
  ladder: Record<LadderStep, string>;
  behind_bytes: Record<LadderStep, number>;
  tables: TableStatus[];
}

export interface ModelStatus {
  model: string;
  kind: string;
  state: string;
  as_of_lag_ms: number;
  reason?: string;
  freshness_ms?: number;
  percent?: number;
  refresh?: { as_of_ms: number; rows: number; runs: number; failed_runs: number; error: string };
  audits?: { audit: string; severity: string; failing: number | null; at_ms?: number; error?: string; examples?: string[] }[];
}

export interface Status {
  project: string;
  time_ms: number;
  sources: SourceStatus[];
  models: ModelStatus[];
  destinations: { destination: string; kind: string; where?: string; state: string; pending: number; dead: number; reason?: string; delivered: number; latency_ms: { p50: number; p99: number } }[];
  segments: { segment: string; entity: string; members: number; entered: number; exited: number }[];
  alerts?: { alert: string; severity: string; state: 'ok' | 'pending' | 'firing'; since_ms: number; condition: string; error: string }[];
  commit_to_queryable_ms: { p50: number; p99: number };
  warehouse: { mode: string; version: string; up: boolean };
  viewers: number;
}

export interface Refresh {
  as_of_ms: number;
  one_fence: boolean; // all tiles are of one moment
  lag_ms: number;
  round: number;
  queries: number;
  took_ms: number;
  time_ms: number;
}
