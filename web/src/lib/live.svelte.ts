// The tab's one event stream: of the dashboard that is shown, or of cuts and status on pages without tiles. Nothing is
// polled. Tile events are held until the refresh that closes their round, so that all tiles of the page change together.
import { get } from './api';
import type { Dashboard, QueryResult, Refresh, Sections, Status, TileError, TileState } from './types';

export type Connection = 'connecting' | 'open' | 'reconnecting';

const hidden_ms = 30_000;

class Live {
  project = $state('');
  sections = $state.raw<Sections | null>(null); // what this project has
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
  cuts = $state(0); // heard of on pages without tiles: what they show may be another by now

  #source: EventSource | null = null;
  #address = '';
  #pending = new Map<number, TileState>();
  #wanted: string | null = '';

  // The newest commit that every source has brought to the warehouse.
  get asOf(): number {
    if (this.refresh) return this.refresh.as_of_ms;
    const known = this.status?.sources.map((source) => source.as_of_ms).filter((time) => time > 0) ?? [];
    return known.length > 0 ? Math.min(...known) : 0;
  }

  constructor() {
    // Nobody looks: nothing is asked of the server. A glance at another tab is no reason.
    let pause: ReturnType<typeof setTimeout> | undefined;
    document.addEventListener('visibilitychange', () => {
      clearTimeout(pause);
      if (document.hidden) pause = setTimeout(() => this.#rest(), hidden_ms);
      else if (this.#resting) this.#wake();
    });
  }
  #resting = false;
  #rest(): void {
    if (!this.#source) return;
    this.#resting = true;
    this.#source.close();
    this.#source = null;
  }
  #wake(): void {
    this.#resting = false;
    this.lastHeard = Date.now();
    void this.load();
  }

  async load(): Promise<void> {
    try {
      const [list, project] = await Promise.all([
        get<{ project: string; dashboards: Dashboard[] }>('/api/dashboards'),
        get<{ sections: Sections }>('/api/project'),
      ]);
      this.project = list.project;
      this.dashboards = list.dashboards;
      this.sections = project.sections;
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

  // A dashboard ('': the first), or null for a page that has no tiles.
  show(name: string | null): void {
    this.#wanted = name;
    if (!this.dashboards) return;
    const dashboard = name === null ? null : ((name === '' ? this.dashboards[0] : this.dashboards.find((one) => one.name === name)) ?? null);
    const address = dashboard ? `/api/dashboards/${encodeURIComponent(dashboard.name)}/live` : '/api/events';
    const same = this.#source !== null && this.#address === address && this.tiles.length === (dashboard?.tiles.length ?? 0);
    this.current = dashboard;
    if (same) return;
    this.#source?.close();
    if (address === this.#address && this.tiles.length === (dashboard?.tiles.length ?? 0)) {
      // Again after a pause: what is shown stays until the first round.
      this.#pending.clear();
      this.#open(address);
      return;
    }
    this.tiles = dashboard ? dashboard.tiles.map(() => ({})) : [];
    this.refresh = null;
    this.#pending.clear();
    this.#open(address);
  }

  #open(url: string): void {
    this.connection = 'connecting';
    const source = new EventSource(url);
    this.#source = source;
    this.#address = url;
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
    on('cut', () => (this.cuts += 1));
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
