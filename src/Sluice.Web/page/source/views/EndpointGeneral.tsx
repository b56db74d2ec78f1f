import type { CanaryArm, EndpointDetails, ServedEndpoint, ServedInstance } from '../api/metrics';
import { formatDuration, formatKind, formatLatency, formatNumber, formatShare, formatTime, formatWhole, orNone } from '../format';
import { CopyButton, Facts, StateBadge } from '../ui/parts';
import { compareKeys } from '../versions';

/** What an endpoint is, and its instances. */
export const EndpointGeneral = ({ details: { endpoint, instances } }: { details: EndpointDetails }) => (
  <div class="scroller padded stack">
    <Facts facts={[
      ['ENDPOINT NAME', endpoint.name],
      ['ENDPOINT URL', <span class="row" key="url"><code>{endpoint.url}</code><CopyButton text={endpoint.url} label="Copy the URL" /></span>],
      ['MODEL NAME', <ModelName key="model" endpoint={endpoint} instances={instances} />],
      ['KIND', formatKind(endpoint.kind)],
      ['ENGINE', endpoint.engine],
      ['UPTIME', endpoint.uptimeMs > 0 ? formatDuration(endpoint.uptimeMs / 1000) : ''],
      ['PREPROCESS ARTIFACT', endpoint.preprocessArtifact],
      ['INPUT TYPE', endpoint.inputType],
      ['INPUT SIZE', endpoint.inputSize],
      ['# REQUESTS', formatWhole(endpoint.requestCount)],
      ['# FAILED', formatWhole(endpoint.failureCount)],
      ['REQUEST / MIN', formatNumber(endpoint.requestsPerMinute)],
      ['ERRORS', formatShare(endpoint.errorRate)],
      ['LATENCY (avg)', `${formatLatency(endpoint.latencyMs)} ms`],
      ['P50 / P90 / P99', `${[endpoint.p50Ms, endpoint.p90Ms, endpoint.p99Ms].map(formatLatency).join(' / ')} ms`],
      ['TAGS', endpoint.tags.length > 0 && endpoint.tags.map(tag => <span key={tag} class="tag">{tag}</span>)],
      ['LAST WORD', formatTime(endpoint.updatedAtMs)],
    ]} />
    {endpoint.arms.length > 0 && <Arms arms={endpoint.arms} />}
    <Instances instances={instances} />
  </div>
);

function ModelName({ endpoint, instances }: { endpoint: ServedEndpoint; instances: ServedInstance[] }) {
  if (!endpoint.modelName) return <>N/A</>;
  const address = instances[0]?.references.find(({ type }) => type === 'url')?.value;
  return (
    <span class="row">
      {endpoint.modelId
        ? <a href={`/registry/models?q=${encodeURIComponent(endpoint.modelId)}`}>{endpoint.modelName}</a>
        : address && /^https?:/.test(address) ? <a href={address} rel="noreferrer">{endpoint.modelName}</a> : endpoint.modelName}
      <CopyButton text={endpoint.modelId || endpoint.modelName} label="Copy the model's id" />
    </span>
  );
}

/** Arms with the newest version first. */
export const newestFirst = (arms: CanaryArm[]) => [...arms].sort((a, b) => compareKeys(a.endpoint, b.endpoint));

/** A canary's arms with what each of them does. */
export const Arms = ({ arms }: { arms: CanaryArm[] }) => (
  <div class="wide">
    <table class="plain">
      <caption>Arms</caption>
      <thead>
        <tr>
          {['ENDPOINT', 'SHARE MEANT', 'SHARE NOW', '# REQUESTS', '# FAILED', 'REQUEST / MIN', 'LATENCY', 'P50', 'P90', 'P99', 'ERRORS']
            .map((title, place) => <th key={title} scope="col" class={place > 0 ? 'amount' : ''}>{title}</th>)}
        </tr>
      </thead>
      <tbody>
        {newestFirst(arms).map(arm => (
          <tr key={arm.endpoint}>
            <th scope="row">{arm.endpoint}</th>
            <td class="amount"><Share share={arm.share} /></td>
            <td class="amount"><Share share={arm.actualShare} /></td>
            <td class="amount">{formatWhole(arm.requestCount)}</td>
            <td class="amount">{formatWhole(arm.failureCount)}</td>
            <td class="amount">{formatNumber(arm.requestsPerMinute)}</td>
            {[arm.latencyMs, arm.p50Ms, arm.p90Ms, arm.p99Ms].map((ms, place) => <td key={place} class="amount">{formatLatency(ms)}</td>)}
            <td class={`amount ${arm.errorRate > 0 ? 'error' : ''}`}>{formatShare(arm.errorRate)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);

const Share = ({ share }: { share: number }) => (
  <span class="share">
    <meter value={share} min={0} max={1} aria-hidden="true" />
    {formatShare(share)}
  </span>
);

/** The processes behind an endpoint. */
const Instances = ({ instances }: { instances: ServedInstance[] }) => (
  <div class="wide">
    <table class="plain">
      <caption>Model instances list <span class="soft">{instances.length}</span></caption>
      <thead>
        <tr>
          {['INSTANCE ID', 'STATE', 'UPTIME', '# REQUESTS', '# FAILED', 'REQUESTS/MIN', 'CPU COUNT', 'GPU COUNT', 'LATENCY']
            .map((title, place) => <th key={title} scope="col" class={place > 1 ? 'amount' : ''}>{title}</th>)}
        </tr>
      </thead>
      <tbody>
        {instances.map(instance => (
          <tr key={instance.id}>
            <th scope="row"><InstanceName instance={instance} /></th>
            <td title={instance.reason}><StateBadge state={instance.state} /></td>
            <td class="amount">{instance.uptimeMs > 0 ? formatDuration(instance.uptimeMs / 1000) : 'N/A'}</td>
            <td class="amount">{formatWhole(instance.requestCount)}</td>
            <td class="amount">{formatWhole(instance.failureCount)}</td>
            <td class="amount">{formatNumber(instance.requestsPerMinute)}</td>
            <td class="amount">{orNone(instance.cpuCount ? String(instance.cpuCount) : '')}</td>
            <td class="amount">{formatWhole(instance.gpuCount)}</td>
            <td class="amount">{formatLatency(instance.latencyMs)}</td>
          </tr>
        ))}
        {instances.length === 0 && <tr><td colSpan={9} class="soft">No instance is alive.</td></tr>}
      </tbody>
    </table>
  </div>
);

function InstanceName({ instance: { id, references } }: { instance: ServedInstance }) {
  const address = references.find(({ type }) => type === 'url')?.value;
  return address && /^https?:/.test(address) ? <a href={address} rel="noreferrer">{id}</a> : <>{id}</>;
}
