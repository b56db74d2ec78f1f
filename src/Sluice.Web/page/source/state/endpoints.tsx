import { createContext, type ComponentChildren } from 'preact';
import { useContext } from 'preact/hooks';
import { type EndpointList, listEndpoints, type ServedEndpoint } from '../api/metrics';
import { useAccess } from './access';
import { type Polled, usePolling } from './polling';
import { preferences } from './preferences';
import { useStore } from './store';

const PeriodMs = 10_000;

const Context = createContext<Polled<EndpointList>>({ data: undefined, error: undefined, at: 0, reload: () => undefined });

/** Reads all endpoints once for all views that show some. */
export function EndpointsProvider({ children }: { children: ComponentChildren }) {
  const { refreshes } = useStore(preferences);
  const { token } = useAccess();
  const polled = usePolling(`endpoints ${token}`, signal => listEndpoints(signal), PeriodMs, refreshes);
  return <Context.Provider value={polled}>{children}</Context.Provider>;
}

export const useEndpoints = () => useContext(Context);

/** Tells whether an endpoint takes calls; one whose reload failed still does. */
export const isActive = ({ state }: ServedEndpoint) => state === 'READY' || state === 'DRAINING' || state.startsWith('ENDPOINT');

/** Tells whether something is wrong with an endpoint or with one of its instances. */
export const isFailing = ({ state, reason }: ServedEndpoint) => state === 'FAILED' || reason !== '';
