// Values as people read them. One locale for everybody: a wall and a phone must say the same.
import type { Format, Value } from './types';

const locale = 'en-US';
const cache = new Map<string, Intl.NumberFormat>();

function formatter(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = JSON.stringify(options);
  let found = cache.get(key);
  if (!found) cache.set(key, (found = new Intl.NumberFormat(locale, options)));
  return found;
}

export interface FormatOptions {
  format: Format;
  unit?: string | undefined;
  decimals?: number | undefined;
  type?: string | undefined; // ClickHouse's type of the column
  compact?: boolean | undefined; // short form, for axes
  zone?: string | undefined; // time zone of moments
}

export const none = '–';

const inner = (type: string) => type.replace(/^(?:Nullable|LowCardinality)\((.*)\)$/, '$1');
export const bareType = (type: string) => inner(inner(type));
export const isNumeric = (type: string) => /^(U?Int|Float|Decimal)/.test(bareType(type));
export const isInteger = (type: string) => /^U?Int/.test(bareType(type));
export const isMoment = (type: string) => /^DateTime/.test(bareType(type));
export const isDate = (type: string) => /^Date(32)?$/.test(bareType(type));

// Milliseconds since 1970 of ClickHouse's text; moments come in UTC.
export function parseTime(text: Value): number {
  if (typeof text === 'number') return text * 1000;
  if (typeof text !== 'string') return NaN;
  return Date.parse(text.length <= 10 ? `${text}T00:00:00Z` : `${text.replace(' ', 'T')}Z`);
}

export const toNumber = (value: Value | undefined): number | null => {
  if (value === null || value === undefined || value === '') return null;
  const number = Number(value);
  return Number.isNaN(number) ? null : number;
};

function integerText(value: Value, number: number): string {
  // Beyond 2^53 a number would be rounded: the digits themselves are grouped.
  if (typeof value === 'string' && !Number.isSafeInteger(number) && /^-?\d+$/.test(value))
    return formatter({}).format(BigInt(value));
  return formatter({ maximumFractionDigits: 0 }).format(number);
}

function duration(seconds: number): string {
  const size = Math.abs(seconds);
  if (size === 0) return '0 ms';
  if (size < 0.001) return `${formatter({ maximumFractionDigits: 0 }).format(seconds * 1e6)} µs`;
  if (size < 1) return `${formatter({ maximumSignificantDigits: 3 }).format(seconds * 1000)} ms`;
  if (size < 60) return `${formatter({ maximumFractionDigits: 1 }).format(seconds)} s`;
  if (size < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (size < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${formatter({ maximumFractionDigits: unit === 0 || value >= 100 ? 0 : 1 }).format(value)} ${units[unit]}`;
}

export const milliseconds = (value: number) => duration(value / 1000);
export const compact = (value: number) =>
  formatter({ notation: 'compact', maximumSignificantDigits: 3 }).format(value);
export const integer = (value: number) => formatter({ maximumFractionDigits: 0 }).format(value);

function momentText(value: Value, type: string, zone: string | undefined): string {
  const time = parseTime(value);
  if (Number.isNaN(time)) return String(value);
  return new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium', timeZone: zone }).format(time);
}

export function formatValue(value: Value | undefined, options: FormatOptions): string {
  if (value === null || value === undefined) return none;
  const type = options.type ?? '';
  if (Array.isArray(value)) return value.map((item) => formatValue(item, options)).join(', ');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (isMoment(type)) return momentText(value, type, options.zone);
  if (isDate(type) || options.format === 'text' || options.format === 'date' || options.format === 'time')
    return String(value);
  if (type && !isNumeric(type)) return String(value);
  const number = toNumber(value);
  if (number === null) return String(value);

  const unit = options.unit ? ` ${options.unit}` : '';
  const decimals = options.decimals;
  const fixed = (fallback: number): Intl.NumberFormatOptions =>
    decimals === undefined
      ? { maximumFractionDigits: fallback }
      : { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  switch (options.format) {
    case 'percent':
      return `${formatter(fixed(2)).format(number * 100)} %`;
    case 'money': {
      const code = options.unit && /^[A-Z]{3}$/.test(options.unit) ? options.unit : '';
      const short = options.compact && Math.abs(number) >= 10_000;
      const style: Intl.NumberFormatOptions = code ? { style: 'currency', currency: code, currencyDisplay: 'narrowSymbol' } : {};
      const text = formatter(
        short
          ? { ...style, notation: 'compact', minimumFractionDigits: 0, maximumFractionDigits: 1 }
          : { ...style, minimumFractionDigits: options.compact && Number.isInteger(number) ? 0 : (decimals ?? 2), maximumFractionDigits: decimals ?? 2 },
      ).format(number);
      return code ? text : `${options.unit ?? ''}${text}`;
    }
    case 'duration':
      return duration(number);
    case 'bytes':
      return bytes(number);
    case 'integer':
      return integerText(value, number) + unit;
    case 'decimal':
      return formatter(fixed(2)).format(number) + unit;
    default: {
      const large = options.compact ? 10_000 : 100_000_000;
      if (options.format === 'number' && Math.abs(number) >= large && decimals === undefined)
        return compact(number) + unit;
      if (options.compact && Math.abs(number) >= large) return compact(number) + unit;
      if (Number.isInteger(number) && decimals === undefined) return integerText(value, number) + unit;
      return formatter(fixed(Math.abs(number) < 1 ? 4 : 2)).format(number) + unit;
    }
  }
}

// A share of one.
export const shareText = (value: number | null, decimals = 0): string =>
  value === null ? none : formatValue(value, { format: 'percent', decimals });

// Of the API's instants ("2026-05-03T12:00:00.000000Z").
export function instantText(instant: string, zone: string | undefined): string {
  const time = Date.parse(instant);
  if (Number.isNaN(time)) return instant;
  return new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium', timeZone: zone }).format(time);
}

export function clock(time: number, zone: string | undefined, withMilliseconds = false): string {
  return new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit', minute: '2-digit', second: '2-digit', timeZone: zone,
    ...(withMilliseconds ? { fractionalSecondDigits: 3 as const } : {}),
  }).format(time);
}

export function ago(millis: number): string {
  const seconds = Math.max(0, Math.round(millis / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}
