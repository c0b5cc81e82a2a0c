// A document of the API that a page shows. It is asked for again after changes in the warehouse, not sooner than the
// pause after the last answer and ten times as long as that took: who looks at a page must not cost the warehouse more
// than a tenth of its time. What was shown stays while the next is on its way; a hidden tab asks for nothing.
import { Refused, get, type Problem } from './api';

export class Resource<T> {
  data = $state.raw<T | null>(null);
  problem = $state.raw<Problem | null>(null);
  busy = $state(false);

  #address = '';
  #running: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stale = false; // asked to look again
  #free_at = 0; // not before

  constructor(readonly pause_ms = 2000) {}

  // What is at `address` from now on; empty: nothing. What another address had stays until the answer unless `clear`.
  show(address: string, clear = false): void {
    if (address === this.#address) return;
    this.stop();
    this.#address = address;
    if (clear || !address) this.data = null;
    this.problem = null;
    if (address) void this.#load();
  }
  // It may have changed.
  again(): void {
    if (!this.#address) return;
    this.#stale = true;
    if (this.#running || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (document.hidden) document.addEventListener('visibilitychange', () => this.#stale && this.again(), { once: true });
      else void this.#load();
    }, Math.max(0, this.#free_at - performance.now()));
  }
  stop(): void {
    this.#running?.abort();
    this.#running = null;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#address = '';
    this.busy = false;
  }

  async #load(): Promise<void> {
    const running = new AbortController();
    this.#running = running;
    this.#stale = false;
    this.busy = true;
    const begun = performance.now();
    try {
      const data = await get<T>(this.#address, running.signal);
      if (running.signal.aborted) return;
      this.data = data;
      this.problem = null;
    } catch (error) {
      if (running.signal.aborted) return;
      this.problem = error instanceof Refused ? error.problem : { title: 'failed', status: 0, detail: String(error) };
      // Busy, starting or away: it will answer later.
      if (this.problem.status === 0 || this.problem.status === 503) this.#stale = true;
    }
    const ended = performance.now();
    this.#free_at = ended + Math.max(this.pause_ms, 10 * (ended - begun));
    this.#running = null;
    this.busy = false;
    if (this.#stale) this.again();
  }
}
