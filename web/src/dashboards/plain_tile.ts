// A tile that no dashboard declares: for results that a page shows by itself.
import type { Tile } from '../lib/types';

export const plainTile = (given: Partial<Tile>): Tile => ({
  title: '', chart: 'table', description: '', query: '', x: '', y: [], series: '', stacked: false, format: 'automatic', unit: '',
  width: 12, height: 3, compare: '', trend: '', good: 'none', columns: [], sort: '', limit: 0, parameters: [], ...given,
});
