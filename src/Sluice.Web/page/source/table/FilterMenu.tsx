import { useState } from 'preact/hooks';
import { formatDuration, formatWhole, parseDuration } from '../format';
import { MenuButton } from '../ui/Popover';
import { choicesOf } from './arrange';
import { type Column, type Filter, isValues } from './columns';

interface FilterMenuProps<T> {
  column: Column<T>;
  rows: readonly T[];
  filter: Filter | undefined;
  onChange: (filter: Filter | undefined) => void;
}

/** The filter of a column: values to choose from, or bounds. */
export function FilterMenu<T>({ column, rows, filter, onChange }: FilterMenuProps<T>) {
  const isRange = column.type === 'number' || column.type === 'duration';
  return (
    <MenuButton label={`Filter ${column.title}`} icon="filter" class="bare" isActive={filter !== undefined}>
      {close => (
        <>
          {isRange
            ? <Bounds column={column} filter={filter && !isValues(filter) ? filter : {}} onChange={onChange} />
            : <Choices column={column} rows={rows} chosen={filter && isValues(filter) ? filter.values : []} onChange={onChange} />}
          <div class="row">
            <button type="button" onClick={() => onChange(undefined)} disabled={!filter}>Clear</button>
            <button type="button" class="push" onClick={close}>Close</button>
          </div>
        </>
      )}
    </MenuButton>
  );
}

function Choices<T>({ column, rows, chosen, onChange }: {
  column: Column<T>; rows: readonly T[]; chosen: string[]; onChange: (filter: Filter | undefined) => void;
}) {
  const [wanted, setWanted] = useState('');
  const choices = choicesOf(rows, column).filter(({ value }) => value.toLowerCase().includes(wanted.toLowerCase()));
  const toggle = (value: string) => {
    const values = chosen.includes(value) ? chosen.filter(one => one !== value) : [...chosen, value];
    onChange(values.length > 0 ? { values } : undefined);
  };
  return (
    <>
      <input type="search" placeholder="Search" aria-label={`Search ${column.title}`} value={wanted}
        onInput={event => setWanted(event.currentTarget.value)} />
      <div class="choices" role="group" aria-label={column.title}>
        {choices.slice(0, 200).map(({ value, count }) => (
          <label key={value}>
            <input type="checkbox" checked={chosen.includes(value)} onChange={() => toggle(value)} />
            <span>{value || '(none)'}</span>
            <span class="soft">{formatWhole(count)}</span>
          </label>
        ))}
        {choices.length > 200 && <span class="soft">{formatWhole(choices.length - 200)} more: search for them</span>}
        {choices.length === 0 && <span class="soft">No such value</span>}
      </div>
    </>
  );
}

function Bounds<T>({ column, filter, onChange }: {
  column: Column<T>; filter: { min?: number; max?: number }; onChange: (filter: Filter | undefined) => void;
}) {
  const isDuration = column.type === 'duration';
  const set = (end: 'min' | 'max', text: string) => {
    const value = text.trim() === '' ? undefined : isDuration ? parseDuration(text) : Number(text);
    const next = { ...filter };
    if (value === undefined || Number.isNaN(value)) delete next[end];
    else next[end] = value;
    onChange(next.min === undefined && next.max === undefined ? undefined : next);
  };
  const show = (value: number | undefined) => (value === undefined ? '' : isDuration ? formatDuration(value) : String(value));
  return (
    <>
      {(['min', 'max'] as const).map(end => (
        <label key={end}>
          <span>{end === 'min' ? 'From' : 'To'}</span>
          <input type="text" inputMode={isDuration ? 'text' : 'decimal'} placeholder={isDuration ? 'such as 43m or 20:19h' : 'number'}
            aria-label={`${column.title} ${end === 'min' ? 'from' : 'to'}`} defaultValue={show(filter[end])}
            onChange={event => set(end, event.currentTarget.value)} />
        </label>
      ))}
    </>
  );
}
