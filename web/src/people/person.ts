// People as the API gives them (docs/PROFILES.md).

export type Row = Record<string, unknown>;

export interface People {
  profiles: string;
  people: Row[];
}
export interface PersonEvent {
  timestamp: string;
  type: string;
  event: string;
  identity: string;
  source: string;
  properties: unknown;
  traits: unknown;
  message_id: string;
}
export interface Membership {
  segment: string;
  entered: number | boolean;
  cause: string;
  happened_at: string;
}
export interface Person {
  profiles: string;
  profile_id: string;
  profile?: Row[];
  ids: { kind: string; value: string; seen: string }[];
  events: PersonEvent[];
  memberships?: Membership[];
  [part: string]: unknown; // "rows of customers": [...]
}

// ClickHouse writes moments without a zone; they are UTC.
export const moment = (text: unknown): string => (typeof text === 'string' ? `${text.replace(' ', 'T')}Z` : '');

// Columns of JSON come as objects or as text.
export function objectOf(value: unknown): Record<string, unknown> {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  if (typeof value !== 'string' || !value.startsWith('{')) return {};
  try {
    return JSON.parse(value) as Record<string, unknown>;
  } catch {
    return {};
  }
}
export const valueText = (value: unknown): string =>
  value === null || value === undefined ? '–' : typeof value === 'object' ? JSON.stringify(value) : String(value);

// What somebody is called: the first of these that they have.
export function nameOf(row: Row): string {
  for (const key of ['name', 'email', 'user_id', 'phone', 'anonymous_id']) {
    const value = row[key];
    if (typeof value === 'string' && value !== '') return value;
  }
  return String(row['profile_id'] ?? '');
}
