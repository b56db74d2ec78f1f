import { getLog, type ServedEndpoint } from '../api/metrics';
import { useAccess } from '../state/access';
import { usePolling } from '../state/polling';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import { CopyButton } from '../ui/parts';

/** Why an endpoint fails, and the last lines that its processes wrote. */
export function EndpointLogView({ endpoint }: { endpoint: ServedEndpoint }) {
  const { refreshes } = useStore(preferences);
  const { token } = useAccess();
  const { data, error } = usePolling(`log ${endpoint.id} ${token}`, signal => getLog(endpoint.id, signal), 10_000, refreshes);
  if (!data) return <p class="empty" role="status">{error ? error.message : 'Reading the log…'}</p>;
  const text = data.lines.join('\n');
  return (
    <div class="scroller padded stack">
      <p class="soft">As replica {data.replica} tells it.</p>
      {data.reason
        ? <div><h2>Reason</h2><pre class="error">{data.reason}</pre></div>
        : <p>Nothing keeps it from serving.</p>}
      <div>
        <h2 class="row">Last lines <CopyButton text={text} label="Copy the lines" /></h2>
        {text ? <pre class="log" tabIndex={0}>{text}</pre> : <p class="soft">Its processes have written nothing.</p>}
      </div>
    </div>
  );
}
