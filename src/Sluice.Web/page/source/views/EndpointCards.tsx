import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ServedEndpoint } from '../api/metrics';
import { formatDuration, formatNumber, orNone } from '../format';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import { FilterMenu } from '../table/FilterMenu';
import { type Arranged, NoMatch } from '../table/TableView';
import { Icon } from '../ui/icons';
import { MenuButton } from '../ui/Popover';
import { IconButton, StateBadge } from '../ui/parts';

const Heights = { open: 74, collapsed: 32 };
const Spare = 8;

/** Endpoints as a list of cards, in the table's order; only those in sight are in the document. */
export function EndpointCards({ table, selected, onOpen }: {
  table: Arranged<ServedEndpoint>; selected: string; onOpen: (row: ServedEndpoint) => void;
}) {
  const { collapsesCards } = useStore(preferences);
  const { rows, allRows, state, change } = table;
  const height = collapsesCards ? Heights.collapsed : Heights.open;
  const list = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ first: 0, count: 30 });
  const look = () => setView({
    first: Math.max(0, Math.floor(list.current!.scrollTop / height) - Spare),
    count: Math.ceil(list.current!.clientHeight / height) + 2 * Spare,
  });

  useLayoutEffect(() => {
    const place = rows.findIndex(row => row.id === selected);
    const { scrollTop, clientHeight } = list.current!;
    if (place >= 0 && (place * height < scrollTop || (place + 1) * height > scrollTop + clientHeight)) {
      list.current!.scrollTop = Math.max(0, (place - 1) * height);
    }
    look();
  }, [selected, collapsesCards, rows.length]);

  function onKeyDown(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const row = rows[Math.max(0, Math.min(rows.length - 1, rows.findIndex(one => one.id === selected) + step))];
    if (!row) return;
    onOpen(row);
    requestAnimationFrame(() => list.current?.querySelector<HTMLElement>('[aria-current]')?.focus());
  }

  const seen = rows.slice(view.first, view.first + view.count);
  return (
    <>
      <div class="side-tools">
        <MenuButton label="Sort and filter" icon="sort">{() => <SortAndFilter table={table} />}</MenuButton>
        <span class="push" />
        <IconButton label={collapsesCards ? 'Show more of each' : 'Show names only'} icon={collapsesCards ? 'down' : 'up'} class="bare"
          onClick={() => preferences.set({ collapsesCards: !collapsesCards })} />
      </div>
      <div class="cards" ref={list} onScroll={look} onKeyDown={onKeyDown} role="list" aria-label={table.spec.label}>
        <div style={{ height: `${rows.length * height}px`, position: 'relative' }}>
          {seen.map((row, place) => (
            <div key={row.id} role="listitem" style={{ position: 'absolute', top: `${(view.first + place) * height}px`, left: 0, right: 0, height: `${height}px` }}>
              <button type="button" class="card" onClick={() => onOpen(row)} {...(row.id === selected ? { 'aria-current': 'true' as const } : {})}>
                <span class="card-name">
                  {row.reason && <span class="warned"><Icon name="warn" /><span class="unseen">failing: </span></span>}{row.name}
                </span>
                {!collapsesCards && (
                  <>
                    <span class="soft">{orNone(row.modelName)}</span>
                    <span class="soft card-foot">
                      <StateBadge state={row.state} />
                      <span title="Uptime">{formatDuration(row.uptimeMs / 1000)}</span>
                      <span>{formatNumber(row.requestsPerMinute)}/min</span>
                    </span>
                  </>
                )}
              </button>
            </div>
          ))}
        </div>
        {rows.length === 0 && (
          <div class="empty">
            {allRows.length === 0
              ? table.spec.empty
              : <NoMatch onClear={() => change({ ...state, filters: {}, search: { text: '', isPattern: false } })} />}
          </div>
        )}
      </div>
    </>
  );
}

function SortAndFilter({ table: { spec, allRows, state, change } }: { table: Arranged<ServedEndpoint> }) {
  const sort = state.sorts[0];
  return (
    <>
      <label>
        Sort by
        <select value={sort?.column ?? ''} onChange={event => change({
          ...state, sorts: event.currentTarget.value ? [{ column: event.currentTarget.value, descends: false }] : [],
        })}>
          <option value="">(as it comes)</option>
          {spec.columns.map(column => <option key={column.id} value={column.id}>{column.title}</option>)}
        </select>
        <IconButton label={sort?.descends ? 'Descending' : 'Ascending'} icon={sort?.descends ? 'down' : 'up'} isDisabled={!sort}
          onClick={() => sort && change({ ...state, sorts: [{ ...sort, descends: !sort.descends }] })} />
      </label>
      {spec.columns.filter(column => column.filters).map(column => (
        <div class="row" key={column.id}>
          <span>{column.title}</span>
          <span class="push" />
          <FilterMenu column={column} rows={allRows} filter={state.filters[column.id]} onChange={next => {
            const { [column.id]: _, ...filters } = state.filters;
            change({ ...state, filters: next ? { ...filters, [column.id]: next } : filters });
          }} />
        </div>
      ))}
    </>
  );
}
