// A segment while it is built by clicking: rows of conditions, and the definition they make.

export interface PropertyRow {
  kind: 'property';
  property: string;
  operator: string;
  value: string;
}
export interface EventRow {
  kind: 'event';
  event: string;
  compare: 'gte' | 'lte' | 'eq';
  count: number;
  within: string; // "30d"; empty: ever
}
// What the form has no fields for.
export interface TextRow {
  kind: 'text';
  text: string;
}
export type Row = PropertyRow | EventRow | TextRow;

export interface Draft {
  name: string;
  description: string;
  entity: string;
  match: 'all' | 'any';
  rows: Row[];
  notify: string;
}

// Operators by what they are called in a definition; `value` is what is typed beside them.
export const operators: { name: string; title: string; value: 'one' | 'list' | 'none' | 'span' }[] = [
  { name: 'eq', title: 'is', value: 'one' },
  { name: 'neq', title: 'is not', value: 'one' },
  { name: 'in', title: 'is one of', value: 'list' },
  { name: 'not_in', title: 'is none of', value: 'list' },
  { name: 'exists', title: 'is there', value: 'none' },
  { name: 'not_exists', title: 'is missing', value: 'none' },
  { name: 'gt', title: 'is above', value: 'one' },
  { name: 'gte', title: 'is at least', value: 'one' },
  { name: 'lt', title: 'is below', value: 'one' },
  { name: 'lte', title: 'is at most', value: 'one' },
  { name: 'contains', title: 'contains', value: 'one' },
  { name: 'not_contains', title: 'does not contain', value: 'one' },
  { name: 'starts_with', title: 'starts with', value: 'one' },
  { name: 'ends_with', title: 'ends with', value: 'one' },
  { name: 'has', title: 'has in its list', value: 'one' },
  { name: 'within_last', title: 'is within the last', value: 'span' },
  { name: 'more_than_ago', title: 'is longer ago than', value: 'span' },
  { name: 'before', title: 'is before', value: 'one' },
  { name: 'after', title: 'is after', value: 'one' },
];

// Numbers and truths are such, everything else is text; quotes make text of anything.
function literal(text: string): string | number | boolean {
  const trimmed = text.trim();
  if (/^".*"$/.test(trimmed)) return trimmed.slice(1, -1);
  if (trimmed === 'true' || trimmed === 'false') return trimmed === 'true';
  return trimmed !== '' && /^-?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : trimmed;
}

// Texts that are compared as texts stay so whatever they look like.
const textual = new Set(['contains', 'not_contains', 'starts_with', 'ends_with', 'before', 'after', 'has']);

function condition(row: Row): unknown {
  if (row.kind === 'property') {
    const shape = operators.find((one) => one.name === row.operator)?.value;
    const value =
      shape === 'none' ? true : shape === 'list' ? row.value.split(',').map(literal) : shape === 'span' || textual.has(row.operator) ? row.value.trim() : literal(row.value);
    return { property: row.property.trim(), [row.operator]: value };
  }
  if (row.kind === 'event')
    return { event: row.event.trim(), count: row.compare === 'eq' ? row.count : { [row.compare]: row.count }, ...(row.within.trim() ? { within: row.within.trim() } : {}) };
  return JSON.parse(row.text);
}

export const complete = (row: Row): boolean =>
  row.kind === 'property'
    ? row.property.trim() !== '' && (operators.find((one) => one.name === row.operator)?.value === 'none' || row.value.trim() !== '')
    : row.kind === 'event'
      ? row.event.trim() !== ''
      : row.text.trim() !== '';

// Rows that are not finished are left out; null: there is nothing to ask about yet.
export function definitionOf(draft: Draft): Record<string, unknown> | null {
  const rows = draft.rows.filter(complete);
  if (!draft.entity.trim() || rows.length === 0) return null;
  const notify = draft.notify.split(',').map((one) => one.trim()).filter(Boolean);
  return {
    ...(draft.description.trim() ? { description: draft.description.trim() } : {}),
    entity: draft.entity.trim(),
    where: { [draft.match]: rows.map(condition) },
    ...(notify.length > 0 ? { notify } : {}),
  };
}
