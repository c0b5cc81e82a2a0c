// The page's one source of data: an event stream of the dashboard that is shown. Nothing is polled. Tile events are
// held until the refresh that closes their round, so that all tiles of the page change together.
import type { Dashboard, QueryResult, Refresh, Status, TileError, TileState } from './types';

export type Connection = 'connecting' | 'open' | 'reconnecting';

class Live {
  project = $state('');
  dashboards = $state.raw<Dashboard[] | null>(null);
  current = $state.raw<Dashboard | null>(null);
  tiles = $state.raw<TileState[]>([]);
  status = $state.raw<Status | null>(null);
  refresh = $state.raw<Refresh | null>(null);
  connection = $state<Connection>('connecting');
  failure = $state('');
  lastHeard = $state(Date.now());
  clockSkew = $state(0); // ours minus the server's
  rates = $state.raw<number[]>([]); // rows a second, as pushed

  #source: EventSource | null = null;
  #pending = new Map<number, TileState>();
  #wanted = '';

  async load(): Promise<void> {
    try {
      const response = await fetch('/api/dashboards');
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      const document = (await response.json()) as { project: string; dashboards: Dashboard[] };
      this.project = document.project;
      this.dashboards = document.dashboards;
      this.failure = '';
      this.show(this.#wanted);
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error);
      // The stream of plain events tells when the server is back: EventSource keeps trying.
      const probe = new EventSource('/api/events');
      probe.onopen = () => {
        probe.close();
        void this.load();
      };
    }
  }

  show(name: string): void {
    this.#wanted = name;
    if (!this.dashboards) return;
    const dashboard = this.dashboards.find((candidate) => candidate.name === name) ?? this.dashboards[0] ?? null;
    if (dashboard && this.current?.name === dashboard.name && this.#source) {
      this.current = dashboard;
      return;
    }
    this.#source?.close();
    this.current = dashboard;
    this.tiles = dashboard ? dashboard.tiles.map(() => ({})) : [];
    this.refresh = null;
    this.#pending.clear();
    this.#open(dashboard ? `/api/dashboards/${encodeURIComponent(dashboard.name)}/live` : '/api/events');
  }

  #open(url: string): void {
    this.connection = 'connecting';
    const source = new EventSource(url);
    this.#source = source;
    source.onopen = () => {
      this.lastHeard = Date.now();
      // After a gap the project itself may have changed.
      if (this.connection === 'reconnecting') void this.load();
      this.connection = 'open';
    };
    source.onerror = () => {
      if (this.#source !== source) return;
      this.connection = 'reconnecting';
      // An answer other than 200 (a dashboard that is gone) ends an EventSource for good.
      if (source.readyState === EventSource.CLOSED) {
        this.#source = null;
        void this.load();
      }
    };
    const on = (name: string, handle: (data: unknown) => void) =>
      source.addEventListener(name, (event) => {
        this.lastHeard = Date.now();
        handle(JSON.parse((event as MessageEvent<string>).data));
      });
    on('tile', (data) => {
      const { tile, result, error } = data as { tile: number; result?: QueryResult; error?: TileError };
      const before = this.#pending.get(tile) ?? this.tiles[tile];
      const state: TileState = error ? { error } : {};
      const kept = result ?? before?.result; // an error keeps the last numbers, marked as such
      if (kept) state.result = kept;
      this.#pending.set(tile, state);
    });
    on('refresh', (data) => {
      if (this.#pending.size > 0) {
        this.tiles = this.tiles.map((state, tile) => this.#pending.get(tile) ?? state);
        this.#pending.clear();
      }
      this.refresh = data as Refresh;
      this.clockSkew = Date.now() - this.refresh.time_ms;
    });
    on('status', (data) => {
      this.status = data as Status;
      this.clockSkew = Date.now() - this.status.time_ms;
      const rate = this.status.sources.reduce((sum, item) => sum + item.rows_per_second, 0);
      this.rates = [...this.rates.slice(-59), rate];
    });
  }
}

export const live = new Live();

// What moves with the clock ("4 s ago"); data never does.
export const ticker = $state({ now: Date.now() });
setInterval(() => (ticker.now = Date.now()), 1000);
