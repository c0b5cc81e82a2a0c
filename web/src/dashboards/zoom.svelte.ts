// The stretch of time that all charts of a dashboard show, when somebody drew one over a chart; kept in the address.
import { route } from '../frame/route.svelte';

class Zoom {
  // Seconds since 1970; null: everything there is.
  range = $derived.by((): [number, number] | null => {
    const from = Number(route.query('from') ?? NaN);
    const to = Number(route.query('to') ?? NaN);
    return Number.isFinite(from) && Number.isFinite(to) && from < to ? [from, to] : null;
  });
  set(from: number, to: number): void {
    route.set({ from: String(Math.round(from)), to: String(Math.round(to)) });
  }
  clear(): void {
    route.set({ from: null, to: null });
  }
}

export const zoom = new Zoom();
