import type { ComponentChildren } from 'preact';
import { useMemo, useRef } from 'preact/hooks';
import { changeQuery, useRoute } from '../state/route';
import { formatWhole } from '../format';
import { MenuButton } from '../ui/Popover';
import { IconButton } from '../ui/parts';
import { arrange, isReadable } from './arrange';
import { type Column, type Sort, type TableState } from './columns';
import { download, toCsv } from './csv';
import { DataTable } from './DataTable';
import { type Layout, useLayout } from './layout';
import { readState, writeState } from './query';

/** What a table is of. */
export interface TableSpec<T> {
  /** Names it among what is remembered. */
  id: string;
  label: string;
  columns: readonly Column<T>[];
  /** Order that nobody has chosen. */
  sorts: Sort[];
  keyOf: (row: T) => string;
  /** Texts that the search looks through. */
  searched: (row: T) => string;
  /** File name of the CSV. */
  fileName: string;
  /** Said when there are no rows at all. */
  empty: ComponentChildren;
}

/** The rows of a table after search, filters and sorting, with what changes these; all of it stands in the address. */
export interface Arranged<T> {
  spec: TableSpec<T>;
  rows: T[];
  allRows: readonly T[];
  state: TableState;
  layout: Layout<T>;
  change: (state: TableState) => void;
}

export function useArranged<T>(spec: TableSpec<T>, allRows: readonly T[]): Arranged<T> {
  const { query } = useRoute();
  const layout = useLayout(spec.id, spec.columns);
  const state = useMemo(() => readState(query, spec.columns, spec.sorts), [query, spec]);
  const rows = useMemo(() => arrange(allRows, spec.columns, state, spec.searched), [allRows, spec, state]);
  return { spec, rows, allRows, state, layout, change: next => changeQuery(target => writeState(target, next)) };
}

/** Search, columns, clearing of filters and CSV; further buttons stand before them. */
export function Toolbar<T>({ table, children }: { table: Arranged<T>; children?: ComponentChildren }) {
  const { spec, rows, allRows, state, layout, change } = table;
  const { text, isPattern } = state.search;
  const input = useRef<HTMLInputElement>(null);
  const isFiltered = text !== '' || Object.keys(state.filters).length > 0;
  return (
    <div class="toolbar" role="toolbar" aria-label={`${spec.label}: tools`}>
      <span class="search">
        <input
          ref={input} type="search" placeholder="Search" aria-label={`Search ${spec.label}`} value={text}
          aria-invalid={!isReadable(state.search)}
          onInput={event => change({ ...state, search: { text: event.currentTarget.value, isPattern } })} />
        <button type="button" aria-label="Regular expression" title="Regular expression" aria-pressed={isPattern} class="mono"
          onClick={() => change({ ...state, search: { text, isPattern: !isPattern } })}>.*</button>
      </span>
      <IconButton label="Clear filters" icon="clear" isDisabled={!isFiltered}
        onClick={() => change({ ...state, filters: {}, search: { text: '', isPattern: false } })} />
      <span class="soft" role="status">
        {rows.length === allRows.length ? formatWhole(rows.length) : `${formatWhole(rows.length)} of ${formatWhole(allRows.length)}`}
      </span>
      <span class="push" />
      {children}
      <MenuButton label="Columns" icon="columns">
        {() => <ColumnChoices layout={layout} />}
      </MenuButton>
      <IconButton label="Download CSV" icon="download" onClick={() => download(spec.fileName, toCsv(rows, layout.columns))} />
    </div>
  );
}

function ColumnChoices<T>({ layout }: { layout: Layout<T> }) {
  const shown = new Set(layout.columns.map(column => column.id));
  return (
    <>
      <div class="choices">
        {layout.all.map((column, place) => (
          <div class="row" key={column.id}>
            <label>
              <input type="checkbox" checked={shown.has(column.id)} disabled={shown.size === 1 && shown.has(column.id)}
                onChange={() => layout.toggle(column.id)} />
              {column.title}
            </label>
            <span class="push" />
            <IconButton label={`Move ${column.title} to the left`} icon="up" class="bare" isDisabled={place === 0}
              onClick={() => layout.move(column.id, layout.all[place - 1]!.id)} />
            <IconButton label={`Move ${column.title} to the right`} icon="down" class="bare" isDisabled={place === layout.all.length - 1}
              onClick={() => layout.move(column.id, layout.all[place + 1]!.id)} />
          </div>
        ))}
      </div>
      <button type="button" onClick={layout.reset}>As it was</button>
    </>
  );
}

/** The table itself, or what is said in its place. */
export function TableBody<T>({ table, onOpen }: { table: Arranged<T>; onOpen?: (row: T) => void }) {
  const { spec, rows, allRows, state, layout, change } = table;
  return (
    <DataTable
      label={spec.label} rows={rows} allRows={allRows} layout={layout} state={state} onChange={change} keyOf={spec.keyOf}
      {...(onOpen ? { onOpen } : {})}
      empty={allRows.length === 0 ? spec.empty : <NoMatch onClear={() => change({ ...state, filters: {}, search: { text: '', isPattern: false } })} />} />
  );
}

/** Said when filters keep everything out. */
export const NoMatch = ({ onClear }: { onClear: () => void }) => (
  <>
    <p>No results.</p>
    <button type="button" onClick={onClear}>Clear filters</button>
  </>
);
