// What a viewer chose on a dashboard, all of it in the address: ?time=, zone=, compare= and one name a filter. Names that
// the dashboard does not have are nothing of ours and are not sent.
import { route } from '../frame/route.svelte';
import { live } from '../lib/live.svelte';
import type { Dashboard, Filter } from '../lib/types';

const ours = ['time', 'zone', 'compare'];

class Choice {
  // The server's query for this address; in one order, so that the same choice is the same stream.
  query(dashboard: Dashboard | null): string {
    if (!dashboard) return '';
    const given = new URLSearchParams(route.search);
    const sent = new URLSearchParams();
    for (const name of [...ours, ...dashboard.filters.map((filter) => filter.name)])
      for (const value of given.getAll(name).toSorted()) sent.append(name, value);
    return sent.toString();
  }
  get time(): string {
    return route.query('time') ?? live.current?.time.default ?? 'all';
  }
  get zone(): string {
    return route.query('zone') ?? live.current?.time.zone ?? 'UTC';
  }
  get compare(): boolean {
    const given = route.query('compare');
    return given === null ? (live.current?.time.compare ?? false) : given === '1';
  }
  values(filter: string): string[] {
    return new URLSearchParams(route.search).getAll(filter);
  }
  // A choice that is the dashboard's own leaves the address.
  setTime(text: string): void {
    route.set({ time: text === live.current?.time.default ? null : text, from: null, to: null });
  }
  setZone(zone: string): void {
    route.set({ zone: zone === live.current?.time.zone ? null : zone });
  }
  setCompare(on: boolean): void {
    route.set({ compare: on === (live.current?.time.compare ?? false) ? null : on ? '1' : '0' });
  }
  setValues(filter: string, values: string[]): void {
    route.setAll(filter, values);
  }
  toggle(filter: Filter, value: string): void {
    const chosen = this.values(filter.name);
    this.setValues(filter.name, chosen.includes(value) ? chosen.filter((one) => one !== value) : [...chosen, value]);
  }
  // The filter that a click on a value of this column means.
  filterOf(column: string): Filter | undefined {
    return live.current?.filters.find((filter) => filter.column === column);
  }
  clear(): void {
    const names = live.current?.filters.map((filter) => filter.name) ?? [];
    route.set(Object.fromEntries([...ours, ...names, 'from', 'to'].map((name) => [name, null])));
  }
  get any(): boolean {
    const given = new URLSearchParams(route.search);
    return [...ours, ...(live.current?.filters.map((filter) => filter.name) ?? [])].some((name) => given.has(name));
  }
}

export const choice = new Choice();
