import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

/** What was last read, and how the last try went. */
export interface Polled<T> {
  data: T | undefined;
  /** Why the last try failed; the data are those of the try before. */
  error: Error | undefined;
  /** When data last came, milliseconds since 1970. */
  at: number;
  reload: () => void;
}

/**
 * Reads at once, when the key changes, and then again and again while the tab can be seen. A failed try keeps what there was
 * and is made again soon.
 */
export function usePolling<T>(
  key: string, load: (signal: AbortSignal, before: T | undefined) => Promise<T>, periodMs: number, repeats: boolean): Polled<T> {
  const [state, setState] = useState<{ key: string; data: T | undefined; error: Error | undefined; at: number }>(
    { key, data: undefined, error: undefined, at: 0 });
  const loader = useRef(load);
  loader.current = load;
  const last = useRef(state);
  const [turn, setTurn] = useState(0);

  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isRunning = false;
    const show = (next: typeof state) => {
      last.current = next;
      setState(next);
    };
    if (last.current.key !== key) show({ key, data: undefined, error: undefined, at: 0 });

    async function run(): Promise<void> {
      if (isRunning) return;
      clearTimeout(timer);
      isRunning = true;
      let wait = periodMs;
      try {
        const data = await loader.current(abort.signal, last.current.data);
        if (abort.signal.aborted) return;
        show({ key, data, error: undefined, at: Date.now() });
      } catch (error) {
        if (abort.signal.aborted) return;
        show({ ...last.current, error: error as Error });
        wait = Math.min(periodMs, 2000);
      }

      isRunning = false;
      if (!repeats && !last.current.error) return;
      timer = setTimeout(() => (document.hidden ? undefined : void run()), wait);
    }

    const resume = () => {
      if (!document.hidden && repeats) void run();
    };
    document.addEventListener('visibilitychange', resume);
    void run();
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', resume);
    };
  }, [key, periodMs, repeats, turn]);

  const reload = useCallback(() => setTurn(count => count + 1), []);
  const current = state.key === key ? state : { data: undefined, error: undefined, at: 0 };
  return { data: current.data, error: current.error, at: current.at, reload };
}
