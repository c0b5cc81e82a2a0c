// What the server says of alerts; src/serve/alert_routes.cc is the other side.
import { formatValue, milliseconds, none } from '../lib/format';

export interface Alert {
  alert: string;
  description: string;
  owner: string;
  severity: 'info' | 'warning' | 'critical';
  condition: string;
  notify: string[];
  state: 'ok' | 'pending' | 'firing';
  since_ms: number;
  told_at_ms: number;
  value: number | null;
  percent: boolean;
  checked_at_ms: number;
  next_check_ms: number;
  checks: number;
  failed_checks: number;
  values: [number, number][]; // when and what, oldest first
  sql?: string;
  of?: string;
  error?: string;
  waits?: string;
}

export interface Change {
  at_ms: number;
  state: string;
  value: number | null;
  type: string; // empty: nobody was told
  seq: number;
  notify: string[];
}

export const valueText = (value: number | null, percent: boolean): string =>
  value === null ? none : percent ? formatValue(value / 100, { format: 'percent', decimals: 1 }) : formatValue(value, { format: 'number' });
export const lasting = (since: number, now: number): string => (since === 0 ? none : milliseconds(Math.max(0, now - since)));
