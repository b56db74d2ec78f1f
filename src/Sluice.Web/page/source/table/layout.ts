import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import type { Column } from './columns';

const Narrowest = 60;
const Widest = 900;

/** How the columns of a table are laid out here, and how that is changed. */
export interface Layout<T> {
  /** Shown columns in their order. */
  columns: Column<T>[];
  /** All columns in their order. */
  all: Column<T>[];
  widthOf: (column: Column<T>) => number;
  resize: (column: Column<T>, width: number) => void;
  /** Puts a column where another one stands. */
  move: (column: string, to: string) => void;
  toggle: (column: string) => void;
  reset: () => void;
}

export function useLayout<T>(table: string, columns: readonly Column<T>[]): Layout<T> {
  const { widths, orders, hiddenColumns } = useStore(preferences);
  const order = orders[table] ?? [];
  const hidden = hiddenColumns[table] ?? columns.filter(column => column.startsHidden).map(column => column.id);
  const all = [...columns].sort((a, b) => placeOf(a) - placeOf(b));

  function placeOf(column: Column<T>): number {
    const place = order.indexOf(column.id);
    return place < 0 ? order.length + columns.indexOf(column) : place;
  }

  return {
    all,
    columns: all.filter(column => !hidden.includes(column.id)),
    widthOf: column => widths[`${table}.${column.id}`] ?? column.width,
    resize: (column, width) => preferences.set({
      widths: { ...preferences.get().widths, [`${table}.${column.id}`]: Math.min(Widest, Math.max(Narrowest, Math.round(width))) },
    }),
    move(column, to) {
      const ids = all.map(one => one.id);
      const [from, target] = [ids.indexOf(column), ids.indexOf(to)];
      if (from < 0 || target < 0 || from === target) return;
      ids.splice(target, 0, ...ids.splice(from, 1));
      preferences.set({ orders: { ...orders, [table]: ids } });
    },
    toggle: column => preferences.set({
      hiddenColumns: {
        ...hiddenColumns, [table]: hidden.includes(column) ? hidden.filter(one => one !== column) : [...hidden, column],
      },
    }),
    reset() {
      const drop = <V>(from: Record<string, V>) => Object.fromEntries(
        Object.entries(from).filter(([key]) => key !== table && !key.startsWith(table + '.')));
      preferences.set({ widths: drop(widths), orders: drop(orders), hiddenColumns: drop(hiddenColumns) });
    },
  };
}
