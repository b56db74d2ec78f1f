import type { ComponentType, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

/** A view whose code is fetched when it is first shown. */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): (props: P) => JSX.Element {
  let view: ComponentType<P> | undefined;
  return props => {
    const [isThere, setThere] = useState(view !== undefined);
    const [error, setError] = useState('');
    useEffect(() => {
      if (view) return;
      load().then(
        loaded => {
          view = loaded;
          setThere(true);
        },
        () => setError('This part of the page cannot be fetched; reload the page.'));
    }, []);
    if (!isThere || !view) return error ? <p class="empty error" role="alert">{error}</p> : <p class="empty" role="status">Loading…</p>;
    const View = view;
    return <View {...props} />;
  };
}
