import type { ComponentChildren } from 'preact';

/** What a column's values are; says how it is compared, filtered and aligned. */
export type ColumnType = 'text' | 'number' | 'duration' | 'choice';

/** One column of a table. */
export interface Column<T> {
  id: string;
  /** As it stands in the head and in the CSV file. */
  title: string;
  type: ColumnType;
  /** What is sorted, filtered and written to files: seconds of durations, counts, texts. Several texts = any of them. */
  value: (row: T) => string | number | string[];
  /** What is shown; the value unless given. */
  cell?: (row: T) => ComponentChildren;
  /** First width, pixels. */
  width: number;
  /** Has a filter. */
  filters?: boolean;
  /** Is not shown until the user asks for it. */
  startsHidden?: boolean;
}

export interface Sort {
  column: string;
  descends: boolean;
}

/** A filter: texts, of which a row must have one, or bounds with both ends counted. */
export type Filter = { values: string[] } | { min?: number; max?: number };

export interface Search {
  text: string;
  isPattern: boolean;
}

/** What the user has chosen of a table. */
export interface TableState {
  sorts: Sort[];
  filters: Record<string, Filter>;
  search: Search;
}

export const isValues = (filter: Filter): filter is { values: string[] } => 'values' in filter;
