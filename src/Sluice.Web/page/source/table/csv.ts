import type { Column } from './columns';

/**
 * Writes rows as CSV: the columns' titles, then raw values. A cell that a spreadsheet would take for a formula gets an
 * apostrophe in front; line breaks become spaces.
 */
export function toCsv<T>(rows: readonly T[], columns: readonly Column<T>[]): string {
  const lines = [columns.map(column => column.title), ...rows.map(row => columns.map(column => text(column.value(row))))];
  return lines.map(line => line.map(cell).join(',')).join('\r\n') + '\r\n';
}

const text = (value: string | number | string[]) => (Array.isArray(value) ? value.join(' ') : String(value));

function cell(value: string): string {
  const isNumber = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value);
  const flat = value.replace(/[\r\n]+/g, ' ');
  const safe = !isNumber && /^[=+\-@\t\r]/.test(value) ? "'" + flat : flat;
  return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Hands a file to the user. */
export function download(name: string, content: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([content], { type: 'text/csv;charset=utf-8' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
