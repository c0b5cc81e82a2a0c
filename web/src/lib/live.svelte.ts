// The tab's one event stream: of the dashboard that is shown, or of cuts and status on pages without tiles. Nothing is
// polled. Tile events are held until the refresh that closes their round, so that all tiles of the page change together.
import { Refused, get } from './api';
import { dashboardAddress, shared } from './shared';
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
  refused = $state(''); // why what was chosen is not shown
  changing = $state(false); // what is shown is of another range or filter than the one that was chosen
  fixed = $state.raw<[string, string[]][]>([]); // filters that a signed link sets
  cuts = $state(0); // heard of on pages without tiles: what they show may be another by now

  #source: EventSource | null = null;
  #address = '';
  #pending = new Map<number, TileState>();
  #wanted: string | null = '';
  #choice = '';
  #round = ''; // id of the last refresh: what came before it is known

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
    if (shared) return this.#loadShared();
    try {
      const [list, project] = await Promise.all([
        get<{ project: string; dashboards: Dashboard[] }>('/api/dashboards'),
        get<{ sections: Sections }>('/api/project'),
      ]);
      this.project = list.project;
      this.dashboards = list.dashboards;
      this.sections = project.sections;
      this.failure = '';
      this.show(this.#wanted, this.#choice);
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

  async #loadShared(): Promise<void> {
    try {
      const link = await get<{ dashboard: Dashboard; fixed: Record<string, string[]> }>(dashboardAddress(''));
      this.project = link.dashboard.title;
      this.dashboards = [link.dashboard];
      this.fixed = Object.entries(link.fixed);
      this.failure = '';
      this.show('', this.#choice);
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error);
      // What was refused stays so; a server that is away comes back.
      if (error instanceof Refused && error.problem.status >= 400 && error.problem.status < 500) this.project = '';
      else setTimeout(() => void this.load(), 2000);
    }
  }

  // A dashboard ('': the first) under a choice of time and filters (a query), or null for a page that has no tiles.
  show(name: string | null, choice = ''): void {
    this.#wanted = name;
    this.#choice = choice;
    if (!this.dashboards) return;
    const dashboard = name === null ? null : ((name === '' ? this.dashboards[0] : this.dashboards.find((one) => one.name === name)) ?? null);
    const address = dashboard ? `${dashboardAddress(dashboard.name)}/live${choice && `?${choice}`}` : '/api/events';
    const alike = this.current?.name === dashboard?.name && this.tiles.length === (dashboard?.tiles.length ?? 0);
    this.current = dashboard;
    const again = alike && address === this.#address;
    if (again && this.#source !== null) return;
    this.#source?.close();
    this.#pending.clear();
    // After a pause what is shown stays, and only what changed comes; under another choice it stays until the first round.
    if (!again) {
      this.#round = '';
      this.changing = alike && dashboard !== null && this.refresh !== null;
      if (!this.changing) {
        this.tiles = dashboard ? dashboard.tiles.map(() => ({})) : [];
        this.refresh = null;
      }
    }
    this.#open(address);
  }

  // A choice that the dashboard does not have is said; whatever else it was, all is asked for again.
  async #askWhy(address: string): Promise<void> {
    const enough = new AbortController();
    try {
      const response = await fetch(address, { signal: enough.signal });
      if (response.status === 400) {
        this.refused = ((await response.json()) as { detail: string }).detail;
        this.changing = false;
        return;
      }
      enough.abort();
    } catch {
      // not there at all
    }
    setTimeout(() => void this.load(), 1000);
  }
  #open(url: string): void {
    this.refused = '';
    this.connection = 'connecting';
    const after = this.#round && `${url.includes('?') ? '&' : '?'}after=${encodeURIComponent(this.#round)}`;
    const source = new EventSource(url + after);
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
        void this.#askWhy(url);
      }
    };
    const on = (name: string, handle: (data: unknown, id: string) => void) =>
      source.addEventListener(name, (event) => {
        this.lastHeard = Date.now();
        const { data, lastEventId } = event as MessageEvent<string>;
        handle(JSON.parse(data), lastEventId);
      });
    on('tile', (data) => {
      const { tile, result, before, error } = data as { tile: number; result?: QueryResult; before?: QueryResult; error?: TileError };
      const had = this.#pending.get(tile) ?? (this.changing ? undefined : this.tiles[tile]);
      const state: TileState = error ? { error } : {};
      const kept = result ?? had?.result; // an error keeps the last numbers, marked as such
      if (kept) state.result = kept;
      const earlier = before ?? had?.before;
      if (earlier) state.before = earlier;
      this.#pending.set(tile, state);
    });
    on('refresh', (data, id) => {
      if (this.#pending.size > 0 || this.changing) {
        this.tiles = this.tiles.map((state, tile) => this.#pending.get(tile) ?? (this.changing ? {} : state));
        this.#pending.clear();
      }
      this.changing = false;
      this.#round = id;
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
