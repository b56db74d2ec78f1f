import { useEffect, useState } from 'preact/hooks';
import { type Canary, getCanary, getState, putCanary } from '../api/control';
import type { ServedEndpoint } from '../api/metrics';
import { formatLatency, formatNumber, formatShare } from '../format';
import { mayAct, useAccess } from '../state/access';
import { useEndpoints } from '../state/endpoints';
import { useRoute } from '../state/route';
import { Dialog } from '../ui/Dialog';
import { newestOf } from '../versions';
import { Arms, newestFirst } from './EndpointGeneral';

/** All canaries with what each of their arms does. */
export function Canaries() {
  const { query } = useRoute();
  const { data } = useEndpoints();
  const wanted = query.get('name');
  const canaries = data?.endpoints.filter(({ kind }) => kind === 'CANARY') ?? [];
  const shown = wanted === null ? canaries : canaries.filter(({ name }) => name === wanted);
  return (
    <div class="scroller padded stack">
      {wanted !== null && canaries.length > shown.length && <p><a href="/canaries">All canaries</a></p>}
      {shown.map(canary => <CanaryCard key={canary.id} canary={canary} />)}
      {shown.length === 0 && (
        <div class="empty">
          {data
            ? <p>No canaries. Make one with <code>clearml-serving model canary</code>.</p>
            : <p role="status">Reading the canaries…</p>}
        </div>
      )}
    </div>
  );
}

function CanaryCard({ canary }: { canary: ServedEndpoint }) {
  const access = useAccess();
  const { reload } = useEndpoints();
  const [isOpen, setOpen] = useState(false);
  return (
    <section class="canary stack" aria-label={canary.name}>
      <div class="row">
        <h2><a href={`/endpoints/active/${canary.id}/monitor`}>{canary.name}</a></h2>
        <code>{canary.url}</code>
        <span class="push" />
        <span class="soft">
          {formatNumber(canary.requestsPerMinute)} requests/min, {formatLatency(canary.latencyMs)} ms, p99 {formatLatency(canary.p99Ms)} ms,
          errors {formatShare(canary.errorRate)}
        </span>
        <button type="button" disabled={!mayAct(access) || canary.arms.length === 0} title={mayAct(access) ? '' : 'Read only: allow actions first'}
          onClick={() => setOpen(true)}>Change weights</button>
      </div>
      <div class="arms" aria-hidden="true">
        {newestFirst(canary.arms).map(({ endpoint, share }, place) => (
          <span key={endpoint} class={`arm arm-${place % 6}`} style={{ flexGrow: share }} title={`${endpoint}: ${formatShare(share)}`}>{endpoint}</span>
        ))}
      </div>
      {canary.arms.length > 0 ? <Arms arms={canary.arms} /> : <p class="soft">Its calls have nowhere to go.</p>}
      {isOpen && <Weights canary={canary} onClose={() => setOpen(false)} onDone={reload} />}
    </section>
  );
}

/** Changes a canary's weights, or promotes one of its arms: all calls go there. */
function Weights({ canary: { name, serviceId }, onClose, onDone }: { canary: ServedEndpoint; onClose: () => void; onDone: () => void }) {
  const { data } = useEndpoints();
  const [read, setRead] = useState<{ canary: Canary; revision: number }>();
  const [weights, setWeights] = useState<number[]>([]);
  const [error, setError] = useState('');
  useEffect(() => {
    Promise.all([getCanary(serviceId, name), getState(serviceId)]).then(([canary, { revision }]) => {
      setRead({ canary, revision });
      setWeights(canary.weights);
    }, failure => setError((failure as Error).message));
  }, [serviceId, name]);

  const names = read ? namesOf(read.canary, (data?.endpoints ?? []).filter(endpoint => endpoint.serviceId === serviceId && endpoint.name !== name)) : [];
  const sum = weights.reduce((a, b) => a + b, 0);
  const isValid = weights.every(weight => weight >= 0 && Number.isFinite(weight)) && sum > 0;
  async function save(): Promise<void> {
    if (!isValid) throw new Error('Weights are numbers from 0, and at least one is greater.');
    await putCanary(serviceId, { ...read!.canary, weights }, read!.revision);
    onDone();
  }

  return (
    <Dialog title={`Weights of ${name}`} action={read ? 'Save' : null} onSubmit={save} onClose={onClose}>
      {error && <p class="error" role="alert">{error}</p>}
      {weights.map((weight, place) => (
        <div class="row weight" key={place}>
          <label for={`weight-${place}`}>{names[place]}</label>
          <input id={`weight-${place}`} type="number" min="0" step="any" value={weight}
            onInput={event => setWeights(weights.map((one, at) => (at === place ? event.currentTarget.valueAsNumber : one)))} />
          <span class="soft">{isValid ? formatShare(weight / sum) : ''}</span>
          <button type="button" onClick={() => setWeights(weights.map((_, at) => (at === place ? 1 : 0)))}>Promote</button>
        </div>
      ))}
    </Dialog>
  );
}

/** Whose weight is whose: a list says it, with a prefix they go from the newest version that is ready on. */
function namesOf({ loadEndpoints, loadEndpointPrefix, weights }: Canary, endpoints: ServedEndpoint[]): string[] {
  if (loadEndpoints.length > 0) return loadEndpoints;
  const found = newestOf(loadEndpointPrefix ?? '', endpoints);
  return weights.map((_, place) => found[place] ?? `version ${place + 1} from the newest`);
}
