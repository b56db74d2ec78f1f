import { useRef } from 'preact/hooks';
import { FilterMenu } from './FilterMenu';
import { toggleSort } from './arrange';
import type { Column, TableState } from './columns';
import type { Layout } from './layout';

interface HeadCellProps<T> {
  column: Column<T>;
  rows: readonly T[];
  state: TableState;
  layout: Layout<T>;
  onChange: (state: TableState) => void;
}

const Step = 16;

/** The head of a column: sorts, filters, and is dragged to another place or another width. */
export function HeadCell<T>({ column, rows, state, layout, onChange }: HeadCellProps<T>) {
  const cell = useRef<HTMLTableCellElement>(null);
  const place = state.sorts.findIndex(sort => sort.column === column.id);
  const sort = state.sorts[place];
  const sorted = sort && { 'aria-sort': sort.descends ? 'descending' as const : 'ascending' as const };
  const filter = state.filters[column.id];

  function moveBy(step: number): void {
    const ids = layout.columns.map(one => one.id);
    const to = ids[ids.indexOf(column.id) + step];
    if (to) layout.move(column.id, to);
  }

  return (
    <th
      ref={cell} scope="col" class={column.type === 'number' || column.type === 'duration' ? 'amount' : ''} {...sorted} data-column={column.id}
      onDragOver={event => {
        if (!event.dataTransfer?.types.includes('text/x-column')) return;
        event.preventDefault();
        cell.current!.classList.add('over');
      }}
      onDragLeave={() => cell.current!.classList.remove('over')}
      onDrop={event => {
        cell.current!.classList.remove('over');
        layout.move(event.dataTransfer!.getData('text/x-column'), column.id);
      }}>
      <div class="head">
        <button
          type="button" class="sorter" draggable title={`Sort by ${column.title}; with Shift also by it. Drag, or Alt and arrows: move`}
          onDragStart={event => event.dataTransfer!.setData('text/x-column', column.id)}
          onClick={event => onChange({ ...state, sorts: toggleSort(state.sorts, column.id, event.shiftKey) })}
          onKeyDown={event => {
            if (!event.altKey || (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight')) return;
            event.preventDefault();
            moveBy(event.key === 'ArrowLeft' ? -1 : 1);
          }}>
          <span>{column.title}</span>
          {sort && <span aria-hidden="true">{sort.descends ? '▾' : '▴'}{state.sorts.length > 1 ? place + 1 : ''}</span>}
        </button>
        {column.filters && (
          <FilterMenu column={column} rows={rows} filter={filter} onChange={next => {
            const { [column.id]: _, ...filters } = state.filters;
            onChange({ ...state, filters: next ? { ...filters, [column.id]: next } : filters });
          }} />
        )}
      </div>
      <Edge label={`Width of ${column.title}`} width={layout.widthOf(column)} onResize={width => layout.resize(column, width)} />
    </th>
  );
}

function Edge({ label, width, onResize }: { label: string; width: number; onResize: (width: number) => void }) {
  return (
    <span
      class="edge" role="separator" aria-orientation="vertical" aria-label={label} aria-valuenow={width} tabIndex={0}
      onKeyDown={event => {
        if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
        event.preventDefault();
        onResize(width + (event.key === 'ArrowLeft' ? -Step : Step));
      }}
      onPointerDown={event => {
        event.preventDefault();
        const [handle, start] = [event.currentTarget, event.clientX];
        handle.setPointerCapture(event.pointerId);
        handle.onpointermove = move => onResize(width + move.clientX - start);
        handle.onpointerup = () => {
          handle.onpointermove = null;
          handle.onpointerup = null;
        };
      }} />
  );
}
