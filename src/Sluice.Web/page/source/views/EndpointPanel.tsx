import { lazy } from '../ui/lazy';
import { getEndpoint } from '../api/metrics';
import { useAccess } from '../state/access';
import { usePolling } from '../state/polling';
import { preferences } from '../state/preferences';
import { addressOf } from '../state/route';
import { useStore } from '../state/store';
import { IconButton, StateBadge, Tabs } from '../ui/parts';
import { EndpointActions } from './EndpointActions';
import { EndpointGeneral } from './EndpointGeneral';
import { EndpointLogView } from './EndpointLogView';

const PeriodMs = 10_000;

const Monitor = lazy(() => import('./Monitor').then(module => module.Monitor));
const Playground = lazy(() => import('./Playground').then(module => module.Playground));

interface EndpointPanelProps {
  id: string;
  section: string;
  /** Address of the list. */
  base: string[];
  query: URLSearchParams;
  onClose: () => void;
}

/** All about one endpoint: facts and instances, charts, what it said, and a try of it. */
export function EndpointPanel({ id, section, base, query, onClose }: EndpointPanelProps) {
  const { refreshes } = useStore(preferences);
  const { token } = useAccess();
  const { data, error, reload } = usePolling(`endpoint ${id} ${token}`, signal => getEndpoint(id, signal), PeriodMs, refreshes);
  const tab = (name: string, title: string) => ({ id: name, title, href: addressOf([...base, id, name], query) });
  const tabs = [tab('general', 'DETAILS'), tab('monitor', 'MONITOR'), tab('playground', 'PLAYGROUND'), tab('log', 'LOG')];
  return (
    <section class="panel" aria-label={data?.endpoint.name ?? 'Endpoint'}>
      <div class="panel-head">
        <IconButton label="Back to the table" icon="left" class="bare" onClick={onClose} />
        <h1>{data?.endpoint.name ?? '…'}</h1>
        {data && <StateBadge state={data.endpoint.state} />}
        <span class="push" />
        {data && <EndpointActions endpoint={data.endpoint} onDone={reload} onGone={onClose} />}
      </div>
      <div class="bar"><Tabs label="Endpoint" tabs={tabs} current={section} /></div>
      {!data && error && <p class="empty error" role="alert">{error.message}</p>}
      {data && data.endpoint.reason && section !== 'log' && (
        <p class="reason" role="note">{data.endpoint.reason} <a href={addressOf([...base, id, 'log'], query)}>Log</a></p>
      )}
      {data && (section === 'monitor'
        ? <Monitor details={data} />
        : section === 'playground'
          ? <Playground endpoint={data.endpoint} />
          : section === 'log'
            ? <EndpointLogView endpoint={data.endpoint} />
            : <EndpointGeneral details={data} />)}
    </section>
  );
}
