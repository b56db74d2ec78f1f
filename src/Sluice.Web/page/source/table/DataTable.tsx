import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { HeadCell } from './HeadCell';
import type { Column, TableState } from './columns';
import type { Layout } from './layout';

interface DataTableProps<T> {
  label: string;
  /** Rows as they are shown. */
  rows: readonly T[];
  /** Rows before search and filters; filters list their values. */
  allRows: readonly T[];
  layout: Layout<T>;
  state: TableState;
  onChange: (state: TableState) => void;
  keyOf: (row: T) => string;
  /** Opens a row; undefined = rows cannot be opened. */
  onOpen?: (row: T) => void;
  /** What is shown in place of rows. */
  empty: ComponentChildren;
}

const RowHeight = 32;
const Spare = 10;

/**
 * A table of which only the rows in sight are in the document. Arrow keys go from row to row, Enter opens one.
 */
export function DataTable<T>({ label, rows, allRows, layout, state, onChange, keyOf, onOpen, empty }: DataTableProps<T>) {
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ first: 0, count: 40 });
  const [focused, setFocused] = useState(0);
  const wantsFocus = useRef(false);
  const { columns } = layout;

  // Only when the rows that are there do not suffice any more: most steps of scrolling draw nothing anew.
  function look(): void {
    const { scrollTop, clientHeight } = scroller.current!;
    const top = Math.floor(scrollTop / RowHeight);
    const count = Math.ceil(clientHeight / RowHeight) + 2 * Spare;
    setView(now => (now.count === count && top >= now.first && top <= now.first + 2 * Spare
      ? now
      : { first: Math.max(0, top - Spare), count }));
  }

  useLayoutEffect(() => {
    const observer = new ResizeObserver(look);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    if (!wantsFocus.current) return;
    const row = scroller.current!.querySelector<HTMLElement>(`tr[data-index="${focused}"]`);
    if (!row) return;
    wantsFocus.current = false;
    row.focus({ preventScroll: true });
  });

  function goTo(index: number): void {
    const target = Math.max(0, Math.min(rows.length - 1, index));
    const element = scroller.current!;
    const top = target * RowHeight;
    const seen = element.clientHeight - RowHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + RowHeight > element.scrollTop + seen) element.scrollTop = top + RowHeight - seen;
    wantsFocus.current = true;
    setFocused(target);
    look();
  }

  function onKeyDown(event: KeyboardEvent): void {
    const row = event.target instanceof HTMLElement ? event.target.closest<HTMLElement>('tr[data-index]') : null;
    if (!row || row !== event.target) return;
    const index = Number(row.dataset.index);
    const page = Math.max(1, Math.floor(scroller.current!.clientHeight / RowHeight) - 2);
    const to = {
      ArrowDown: index + 1, ArrowUp: index - 1, PageDown: index + page, PageUp: index - page, Home: 0, End: rows.length - 1,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      goTo(to);
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      onOpen?.(rows[index]!);
    }
  }

  const first = Math.min(view.first, Math.max(0, rows.length - view.count));
  const seen = rows.slice(first, first + view.count);
  const tabStop = Math.min(focused, rows.length - 1);
  const width = columns.reduce((sum, column) => sum + layout.widthOf(column), 0);
  return (
    <div class="scroller" ref={scroller} onScroll={look} onKeyDown={onKeyDown}>
      <table class="grid" aria-label={label} aria-rowcount={rows.length + 1} style={{ width: `${width}px` }}>
        <colgroup>
          {columns.map(column => <col key={column.id} style={{ width: `${layout.widthOf(column)}px` }} />)}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map(column => (
              <HeadCell key={column.id} column={column} rows={allRows} state={state} layout={layout} onChange={onChange} />
            ))}
          </tr>
        </thead>
        <tbody>
          {first > 0 && <tr aria-hidden="true"><td colSpan={columns.length} style={{ height: `${first * RowHeight}px` }} /></tr>}
          {seen.map((row, place) => {
            // Rows that come into sight take the elements of those that have left it.
            const index = first + place;
            return (
              <tr
                key={index % view.count} data-index={index} data-key={keyOf(row)} aria-rowindex={index + 2}
                {...(onOpen ? { tabIndex: index === tabStop || (tabStop < first && place === 0) ? 0 : -1, onClick: () => onOpen(row) } : {})}
                onFocus={() => setFocused(index)}>
                {columns.map((column, at) => <Cell key={column.id} column={column} row={row} isHead={at === 0} />)}
              </tr>
            );
          })}
          {first + seen.length < rows.length && (
            <tr aria-hidden="true"><td colSpan={columns.length} style={{ height: `${(rows.length - first - seen.length) * RowHeight}px` }} /></tr>
          )}
        </tbody>
      </table>
      {rows.length === 0 && <div class="empty">{empty}</div>}
    </div>
  );
}

function Cell<T>({ column, row, isHead }: { column: Column<T>; row: T; isHead: boolean }) {
  const value = column.value(row);
  const shown = column.cell ? column.cell(row) : Array.isArray(value) ? value.join(' ') : value;
  const title = typeof shown === 'string' ? { title: shown } : {};
  if (isHead) return <th scope="row" {...title}>{shown}</th>;
  return <td class={column.type === 'number' || column.type === 'duration' ? 'amount' : ''} {...title}>{shown}</td>;
}
