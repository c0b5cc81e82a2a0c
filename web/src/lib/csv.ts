// A result as a CSV file (RFC 4180), made in the browser.
import type { QueryResult, Value } from './types';

const field = (value: Value): string => {
  const text = value === null ? '' : Array.isArray(value) ? JSON.stringify(value) : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export const csvOf = (result: QueryResult): string =>
  [result.meta.map((column) => column.name), ...result.data].map((row) => row.map(field).join(',')).join('\r\n') + '\r\n';

export function download(name: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
