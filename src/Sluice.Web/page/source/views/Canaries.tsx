import { useState } from 'preact/hooks';
import { getCanary, getState, putCanary } from '../api/control';
import type { ServedEndpoint } from '../api/metrics';
import { formatLatency, formatNumber, formatShare } from '../format';
import { mayAct, useAccess } from '../state/access';
import { useEndpoints } from '../state/endpoints';
import { useRoute } from '../state/route';
import { Dialog } from '../ui/Dialog';
import { Arms } from './EndpointGeneral';

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
        {canary.arms.map(({ endpoint, share }, place) => (
          <span key={endpoint} class={`arm arm-${place % 6}`} style={{ flexGrow: share }} title={`${endpoint}: ${formatShare(share)}`}>{endpoint}</span>
        ))}
      </div>
      {canary.arms.length > 0 ? <Arms arms={canary.arms} /> : <p class="soft">Its calls have nowhere to go.</p>}
      {isOpen && <Weights canary={canary} onClose={() => setOpen(false)} onDone={reload} />}
    </section>
  );
}

/** Changes a canary's weights, or promotes one of its arms: all calls go there. */
function Weights({ canary: { name, serviceId, arms }, onClose, onDone }: { canary: ServedEndpoint; onClose: () => void; onDone: () => void }) {
  const [weights, setWeights] = useState(() => arms.map(({ share }) => Math.round(share * 10_000) / 10_000));
  const sum = weights.reduce((a, b) => a + b, 0);
  const isValid = weights.every(weight => weight >= 0 && Number.isFinite(weight)) && sum > 0;
  async function save(): Promise<void> {
    if (!isValid) throw new Error('Weights are numbers from 0, and at least one is greater.');
    const [canary, { revision }] = await Promise.all([getCanary(serviceId, name), getState(serviceId)]);
    await putCanary(serviceId, { ...canary, weights: weightsOf(canary.loadEndpoints, canary.weights.length) }, revision);
    onDone();
  }

  // A list keeps its order, also of endpoints that are away now; with a prefix weights go from the newest version on, as arms do.
  function weightsOf(endpoints: string[], count: number): number[] {
    const byArm = new Map(arms.map(({ endpoint }, place) => [endpoint, weights[place]!]));
    if (endpoints.length > 0) return endpoints.map(endpoint => byArm.get(endpoint) ?? 0);
    return Array.from({ length: Math.max(count, weights.length) }, (_, place) => weights[place] ?? 0);
  }

  return (
    <Dialog title={`Weights of ${name}`} action="Save" onSubmit={save} onClose={onClose}>
      {arms.map(({ endpoint }, place) => (
        <div class="row weight" key={endpoint}>
          <label for={`weight-${place}`}>{endpoint}</label>
          <input id={`weight-${place}`} type="number" min="0" step="any" value={weights[place]}
            onInput={event => setWeights(weights.map((weight, at) => (at === place ? event.currentTarget.valueAsNumber : weight)))} />
          <span class="soft">{isValid ? formatShare(weights[place]! / sum) : ''}</span>
          <button type="button" onClick={() => setWeights(weights.map((_, at) => (at === place ? 1 : 0)))}>Promote</button>
        </div>
      ))}
    </Dialog>
  );
}
