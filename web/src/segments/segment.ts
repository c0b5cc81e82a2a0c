// Segments as the API gives them (docs/SEGMENTS.md), and conditions in words.

export interface SegmentEntry {
  segment: string;
  state: 'live' | 'refused';
  entity?: string;
  version?: string;
  origin: string;
  description?: string;
  notify?: string[];
  members?: number;
  entered?: number;
  exited?: number;
  reason?: string;
}
export interface SegmentDocument extends SegmentEntry {
  definition: { entity: string; key: string[]; time_zone: string; where: Condition };
  saved?: string; // of one that was saved here: as it was written
}
export interface Member {
  entity: string;
  entered_at: string;
  cause: string;
}
export interface Change {
  seq: number;
  entity: string;
  change: 'entered' | 'exited';
  cause: string;
  happened_at: string;
}
export interface Flow {
  day: string;
  entered: number;
  exited: number;
}
export interface Leaf {
  condition: Condition;
  where: string;
  holds: boolean;
  value: unknown;
  next_change_at: string | null;
}
export interface Explanation {
  segment: string;
  entity: string;
  there: boolean;
  member: boolean;
  next_change_at?: string | null;
  leaves?: Leaf[];
}
export interface Preview {
  entities: number;
  members: number;
  sample: string[];
  difference?: { enter: number; leave: number; entering: string[]; leaving: string[] };
}

// As the server writes them back: one shape for each meaning.
export type Condition = string | { [key: string]: unknown };

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value]);
const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
const path = (value: unknown): string => list(value).join('.');
const values = (value: unknown): string => list(value).map(text).join(', ');

export function secondsText(seconds: number): string {
  for (const [size, name] of [[604_800, 'week'], [86_400, 'day'], [3600, 'hour'], [60, 'minute']] as const)
    if (seconds >= size && seconds % size === 0) return `${seconds / size} ${name}${seconds === size ? '' : 's'}`;
  return `${seconds} seconds`;
}
function rangeText(range: unknown, what = ''): string {
  if (Array.isArray(range)) {
    const [low, high] = range as [number, number | null];
    if (low === high) return `exactly ${low}${what}`;
    if (high === null) return `at least ${low}${what}`;
    return low === 0 ? `at most ${high}${what}` : `${low} to ${high}${what}`;
  }
  const words = { gt: '>', gte: '≥', lt: '<', lte: '≤' } as const;
  return Object.entries((range ?? {}) as Record<string, unknown>).map(([name, bound]) => `${words[name as keyof typeof words] ?? name} ${text(bound)}`).join(' and ');
}
function windowText(condition: Record<string, unknown>): string {
  const older = condition['older'];
  const newer = condition['newer'];
  const parts: string[] = [];
  if (typeof older === 'number') parts.push(`in the last ${secondsText(older)}`);
  if (typeof newer === 'number') parts.push(`not in the last ${secondsText(newer)}`);
  if (condition['from']) parts.push(`from ${text(condition['from'])}`);
  if (condition['to']) parts.push(`until ${text(condition['to'])}`);
  return parts.length > 0 ? ` ${parts.join(', ')}` : '';
}
function eventsText(selection: unknown): string {
  const { names = [], prefixes = [], where } = (selection ?? {}) as { names?: string[]; prefixes?: string[]; where?: Condition[] };
  const all = [...names, ...prefixes.map((prefix) => `${prefix}…`)];
  return `${all.length > 0 ? all.join(' or ') : 'anything'}${where && where.length > 0 ? ` where ${where.map(conditionText).join(' and ')}` : ''}`;
}
function testText(condition: Record<string, unknown>): string {
  const simple: Record<string, string> = {
    contains: 'contains', starts_with: 'starts with', ends_with: 'ends with', matches: 'matches', has_all: 'has all of', has_any: 'has any of',
    before: 'is before', after: 'is after', on: 'is on',
  };
  const spans: Record<string, string> = { within_last: 'is within the last', within_next: 'is within the next', more_than_ago: 'is longer ago than', more_than_ahead: 'is further ahead than' };
  if ('in' in condition) return `${list(condition['in']).length > 1 ? 'is one of' : 'is'} ${values(condition['in'])}`;
  if ('exists' in condition) return 'is there';
  if ('number' in condition) return rangeText(condition['number']);
  for (const [name, words] of Object.entries(simple))
    if (name in condition) return `${words} ${values(condition[name])}${condition['ignore_case'] ? ' (any case)' : ''}`;
  for (const [name, words] of Object.entries(spans)) if (name in condition) return `${words} ${secondsText(Number(condition[name]))}`;
  if ('anniversary' in condition) return `has its anniversary in ${text(condition['anniversary'])} days`;
  if ('any_item' in condition) return `has an item where ${list(condition['any_item']).map((one) => conditionText(one as Condition)).join(' and ')}`;
  if ('has_been' in condition)
    return `has been ${values(condition['has_been'])} for ${'less_than' in condition ? 'less than' : 'at least'} ${secondsText(Number(condition['less_than'] ?? condition['at_least']))}`;
  return '';
}

// A leaf in words; what is not known here is shown as it is.
export function conditionText(condition: Condition): string {
  if (typeof condition === 'string') return condition;
  if ('all' in condition && Array.isArray(condition['all'])) return condition['all'].map((one) => conditionText(one as Condition)).join(' and ');
  if ('any' in condition && Array.isArray(condition['any'])) return `(${condition['any'].map((one) => conditionText(one as Condition)).join(' or ')})`;
  if ('not' in condition) return `not (${conditionText(condition['not'] as Condition)})`;
  if ('property' in condition) {
    const test = testText(condition);
    return test ? `${path(condition['property'])} ${test}` : JSON.stringify(condition);
  }
  if ('events' in condition) {
    const what = eventsText(condition['events']);
    const when = windowText(condition);
    if ('count' in condition) return `did ${what} ${rangeText(condition['count'], ' times')}${when}`;
    if ('active_days' in condition) return `did ${what} on ${rangeText(condition['active_days'], ' days')}${when}`;
    for (const name of ['sum', 'avg', 'min', 'max', 'count_distinct'])
      if (name in condition) return `${name.replace('_', ' ')} of ${path(condition[name])} over ${what} ${rangeText(condition['is'])}${when}`;
    for (const name of ['first', 'last'])
      if (name in condition) return `the ${name} ${what} has ${list(condition[name]).map((one) => conditionText(one as Condition)).join(' and ')}${when}`;
    if ('regularly' in condition) {
      const [times, periods, of, period] = condition['regularly'] as [number, number, number, string];
      return `did ${what} ${times} times in ${periods} of the last ${of} ${period}s`;
    }
    if ('gap' in condition) return `did ${what} again after a pause of ${secondsText(Number(condition['gap']))}${when}`;
    return `${what}${when}`;
  }
  if ('sequence' in condition) {
    const [first, then] = condition['sequence'] as [unknown, unknown];
    return `did ${eventsText(first)} and then ${condition['absent'] ? 'not ' : ''}${eventsText(then)} within ${secondsText(Number(condition['within']))}${windowText(condition)}`;
  }
  if ('member' in condition) return `is in ${text(condition['member'])}`;
  if ('list' in condition) return `is on the list ${text(condition['list'])}`;
  if ('random' in condition) return `is in a random ${text(condition['random'])} % (${text(condition['seed'])})`;
  if ('related' in condition)
    return `has rows of ${text(condition['related'])}${list(condition['where']).length > 0 ? ` where ${list(condition['where']).map((one) => conditionText(one as Condition)).join(' and ')}` : ''}${'count' in condition ? `, ${rangeText(condition['count'])}` : ''}`;
  if ('users' in condition) {
    const quantifier = 'any' in condition ? 'any' : 'all';
    return `${quantifier} of its users: ${conditionText(condition[quantifier] as Condition)}`;
  }
  return JSON.stringify(condition);
}
