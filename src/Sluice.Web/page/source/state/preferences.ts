import { createStore } from './store';

const Key = 'sluice.preferences';

/** What stays on this machine between visits. */
export interface Preferences {
  /** Refreshes by itself. */
  refreshes: boolean;
  /** Widths of columns in pixels, by table and column. */
  widths: Record<string, number>;
  /** Order of columns by table; columns that are not named keep their place at the end. */
  orders: Record<string, string[]>;
  /** Columns that are not shown, by table. */
  hiddenColumns: Record<string, string[]>;
  /** Charts that are not shown. */
  hiddenCharts: string[];
  /** Width of the list beside the details, pixels. */
  listWidth: number;
  /** Cards of the list show the name only. */
  collapsesCards: boolean;
  /** Time span of the charts, hours. */
  spanHours: number;
}

const defaults: Preferences = {
  refreshes: true, widths: {}, orders: {}, hiddenColumns: {}, hiddenCharts: [], listWidth: 300, collapsesCards: false, spanHours: 3,
};

export const preferences = createStore<Preferences>({ ...defaults, ...read() });

preferences.subscribe(() => {
  try {
    localStorage.setItem(Key, JSON.stringify(preferences.get()));
  } catch {
    // A browser that keeps nothing shows the defaults next time.
  }
});

function read(): Partial<Preferences> {
  try {
    return JSON.parse(localStorage.getItem(Key) ?? '{}') as Partial<Preferences>;
  } catch {
    return {};
  }
}
