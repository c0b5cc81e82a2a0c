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
  more: Record<string, unknown>; // what a definition says beside, kept as it is
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
    ...draft.more,
  };
}

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const isLiteral = (value: unknown): value is string | number | boolean => ['string', 'number', 'boolean'].includes(typeof value);
// What would be read as a number or a truth is quoted when it is text.
const written = (value: string | number | boolean): string => (typeof value === 'string' && literal(value) !== value ? `"${value}"` : String(value));

// The row that makes this condition again; whatever the form has no fields for stays JSON.
function rowOf(value: unknown): Row {
  const text: Row = { kind: 'text', text: JSON.stringify(value) };
  if (!isObject(value)) return text;
  const names = Object.keys(value);
  if (typeof value.event === 'string' && names.every((name) => ['event', 'count', 'within'].includes(name))) {
    const within = value.within ?? '';
    const count = value.count ?? { gte: 1 };
    if (typeof within !== 'string') return text;
    if (typeof count === 'number') return { kind: 'event', event: value.event, compare: 'eq', count, within };
    if (!isObject(count) || Object.keys(count).length !== 1) return text;
    const [compare, times] = Object.entries(count)[0]!;
    if ((compare !== 'gte' && compare !== 'lte' && compare !== 'eq') || typeof times !== 'number') return text;
    return { kind: 'event', event: value.event, compare, count: times, within };
  }
  const operator = operators.find((one) => names.length === 2 && names.includes(one.name));
  if (typeof value.property !== 'string' || !operator) return text;
  const given = value[operator.name];
  const row = (typed: string): Row => ({ kind: 'property', property: String(value.property), operator: operator.name, value: typed });
  let made: Row = text;
  if (operator.value === 'none' && given === true) made = row('');
  else if (operator.value === 'list' && Array.isArray(given) && given.every(isLiteral)) made = row(given.map(written).join(', '));
  else if (isLiteral(given)) made = row(textual.has(operator.name) || operator.value === 'span' ? String(given) : written(given));
  // Nothing is lost on the way: the row says exactly this.
  const again = made.kind === 'property' ? JSON.stringify(condition(made)) : '';
  return again === JSON.stringify({ property: value.property, [operator.name]: given }) ? made : text;
}

// A saved definition in the form; null: it is not JSON.
export function draftOf(name: string, saved: string): Draft | null {
  let whole: unknown;
  try {
    whole = JSON.parse(saved);
  } catch {
    return null;
  }
  if (!isObject(whole)) return null;
  const { segment: _, description, entity, where, notify, ...more } = whole;
  const match = isObject(where) && Object.keys(where).length === 1 && Array.isArray(where.all) ? 'all' : isObject(where) && Object.keys(where).length === 1 && Array.isArray(where.any) ? 'any' : null;
  const conditions = match && isObject(where) ? (where[match] as unknown[]) : [where];
  return {
    name, more,
    description: typeof description === 'string' ? description : '',
    entity: typeof entity === 'string' ? entity : '',
    match: match ?? 'all',
    rows: conditions.map(rowOf),
    notify: Array.isArray(notify) ? notify.join(', ') : typeof notify === 'string' ? notify : '',
  };
}
