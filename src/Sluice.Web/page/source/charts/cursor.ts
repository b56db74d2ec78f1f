import { createStore } from '../state/store';

/** The moment that the pointer is at in any of the charts, seconds since 1970. */
export const cursor = createStore<{ time: number | null }>({ time: null });

export function pointAt(time: number | null): void {
  if (cursor.get().time !== time) cursor.set({ time });
}
