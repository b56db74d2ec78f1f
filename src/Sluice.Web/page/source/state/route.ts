import { createStore, useStore } from './store';

/** The address of what is shown. */
export interface Route {
  /** Decoded segments of the path. */
  path: string[];
  query: URLSearchParams;
}

const store = createStore<Route>(read());

/** An address that somebody has cut is shown as it stands. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function read(): Route {
  return {
    path: location.pathname.split('/').filter(Boolean).map(decoded),
    query: new URLSearchParams(location.search),
  };
}

export const useRoute = () => useStore(store);

export const currentRoute = () => store.get();

/** Writes an address from segments and a query. */
export function addressOf(path: string[], query?: URLSearchParams): string {
  const text = query?.toString() ?? '';
  return '/' + path.map(encodeURIComponent).join('/') + (text ? '?' + text : '');
}

/** Shows another address. A replaced one is not gone back to. */
export function navigate(address: string, replaces = false): void {
  if (address === location.pathname + location.search) return;
  history[replaces ? 'replaceState' : 'pushState'](null, '', address);
  store.set(read());
}

/** Changes the query, keeping the path. */
export function changeQuery(change: (query: URLSearchParams) => void): void {
  const { path } = store.get();
  const query = new URLSearchParams(location.search);
  change(query);
  navigate(addressOf(path, query), true);
}

/** Follows the browser's history, and clicks on links of the page. */
export function followHistory(): void {
  addEventListener('popstate', () => store.set(read()));
  document.addEventListener('click', event => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || link.origin !== location.origin || link.target || link.hasAttribute('download') || link.dataset.api) return;
    event.preventDefault();
    navigate(link.pathname + link.search);
  });
}
