import type { Column, Filter, Sort, TableState } from './columns';
import { isValues } from './columns';

// The state of a table in the address: sort=uptime:desc,model  q=text  re=1  f.model=a&f.model=b  f.uptime=60000..

export function readState<T>(query: URLSearchParams, columns: readonly Column<T>[], sorts: Sort[]): TableState {
  const filters: Record<string, Filter> = {};
  for (const column of columns) {
    const given = query.getAll(`f.${column.id}`);
    if (given.length === 0) continue;
    const bounds = /^(-?[\d.]*)\.\.(-?[\d.]*)$/.exec(given[0]!);
    filters[column.id] = (column.type === 'number' || column.type === 'duration') && bounds
      ? { ...(bounds[1] ? { min: Number(bounds[1]) } : {}), ...(bounds[2] ? { max: Number(bounds[2]) } : {}) }
      : { values: given };
  }
  const sort = query.get('sort');
  return {
    sorts: sort === null ? sorts : sort.split(',').filter(Boolean).map(one => {
      const [column = '', direction] = one.split(':');
      return { column, descends: direction === 'desc' };
    }),
    filters,
    search: { text: query.get('q') ?? '', isPattern: query.get('re') === '1' },
  };
}

export function writeState(query: URLSearchParams, { sorts, filters, search }: TableState): void {
  for (const name of [...query.keys()]) {
    if (name === 'q' || name === 're' || name === 'sort' || name.startsWith('f.')) query.delete(name);
  }
  query.set('sort', sorts.map(sort => sort.column + (sort.descends ? ':desc' : '')).join(','));
  for (const [column, filter] of Object.entries(filters)) {
    if (isValues(filter)) filter.values.forEach(value => query.append(`f.${column}`, value));
    else query.set(`f.${column}`, `${filter.min ?? ''}..${filter.max ?? ''}`);
  }
  if (search.text) query.set('q', search.text);
  if (search.isPattern) query.set('re', '1');
}
