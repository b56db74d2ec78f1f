import { type Column, type Filter, isValues, type Search, type Sort, type TableState } from './columns';

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** Rows that pass the search and all filters, in the wanted order; rows that compare equal keep theirs. */
export function arrange<T>(rows: readonly T[], columns: readonly Column<T>[], state: TableState, searched: (row: T) => string): T[] {
  const search = matcherOf(state.search);
  const filters = columns.flatMap(column => {
    const filter = state.filters[column.id];
    return filter ? [(row: T) => passes(column.value(row), filter)] : [];
  });
  const kept = rows.filter(row => (!search || search(searched(row))) && filters.every(filter => filter(row)));
  const comparers = state.sorts.flatMap(sort => {
    const column = columns.find(one => one.id === sort.column);
    return column ? [comparerOf(column, sort)] : [];
  });
  if (comparers.length === 0) return kept;
  return kept.sort((a, b) => {
    for (const compare of comparers) {
      const order = compare(a, b);
      if (order !== 0) return order;
    }
    return 0;
  });
}


/** Tells whether a search is no pattern, or one that can be read. */
export function isReadable({ text, isPattern }: Search): boolean {
  try {
    return !isPattern || Boolean(new RegExp(text));
  } catch {
    return false;
  }
}

function matcherOf({ text, isPattern }: Search): ((searched: string) => boolean) | undefined {
  if (!text) return undefined;
  if (isPattern) {
    // A half-written one keeps nothing out.
    if (!isReadable({ text, isPattern })) return undefined;
    const pattern = new RegExp(text, 'im');
    return searched => pattern.test(searched);
  }

  const wanted = text.toLowerCase();
  return searched => searched.toLowerCase().includes(wanted);
}

function passes(value: string | number | string[], filter: Filter): boolean {
  if (isValues(filter)) {
    const texts = Array.isArray(value) ? value : [String(value)];
    return filter.values.some(wanted => texts.includes(wanted));
  }
  const amount = Number(value);
  return (filter.min === undefined || amount >= filter.min) && (filter.max === undefined || amount <= filter.max);
}

function comparerOf<T>(column: Column<T>, sort: Sort): (a: T, b: T) => number {
  const sign = sort.descends ? -1 : 1;
  return (a, b) => {
    const [x, y] = [column.value(a), column.value(b)];
    return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : collator.compare(String(x), String(y)));
  };
}

/** Sorts by a column, or adds it to what is sorted by; the other way round when it is sorted by already. */
export function toggleSort(sorts: readonly Sort[], column: string, adds: boolean): Sort[] {
  const now = sorts.find(sort => sort.column === column);
  if (!adds) return now && sorts.length === 1 && now.descends ? [] : [{ column, descends: now ? !now.descends : false }];
  if (!now) return [...sorts, { column, descends: false }];
  return now.descends ? sorts.filter(sort => sort !== now) : sorts.map(sort => (sort === now ? { column, descends: true } : sort));
}

/** Different values of a column with how many rows have them, by value. */
export function choicesOf<T>(rows: readonly T[], column: Column<T>): { value: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const value = column.value(row);
    for (const one of Array.isArray(value) ? value : [String(value)]) counts.set(one, (counts.get(one) ?? 0) + 1);
  }
  return [...counts].map(([value, count]) => ({ value, count })).sort((a, b) => collator.compare(a.value, b.value));
}
