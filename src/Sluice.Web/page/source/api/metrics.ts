import { call, queryOf } from './client';

// The messages of protos/metrics/v1 as JSON has them.

export type EndpointKind = 'STATIC' | 'AUTO_UPDATE' | 'CANARY' | 'MODEL' | 'REPORTED' | 'ENDPOINT_KIND_UNSPECIFIED';

export type EndpointState = 'QUEUED' | 'DOWNLOADING' | 'LOADING' | 'READY' | 'FAILED' | 'DRAINING' | 'ENDPOINT_STATE_UNSPECIFIED';

/** What is counted of an endpoint, of an instance and of a canary's arm. */
export interface Figures {
  requestCount: number;
  failureCount: number;
  requestsPerMinute: number;
  latencyMs: number;
}

export interface Quantiles {
  p50Ms: number;
  p90Ms: number;
  p99Ms: number;
  errorRate: number;
}

export interface CanaryArm extends Figures, Quantiles {
  endpoint: string;
  share: number;
  actualShare: number;
}

export interface ServedEndpoint extends Figures, Quantiles {
  id: string;
  name: string;
  url: string;
  kind: EndpointKind;
  serviceId: string;
  engine: string;
  modelName: string;
  modelId: string;
  modelVersion: string;
  modelSource: string;
  preprocessArtifact: string;
  inputType: string;
  inputSize: string;
  tags: string[];
  state: EndpointState;
  reason: string;
  instanceCount: number;
  uptimeMs: number;
  updatedAtMs: number;
  arms: CanaryArm[];
}

export interface ServedInstance extends Figures {
  id: string;
  endpoint: string;
  url: string;
  modelName: string;
  modelSource: string;
  modelVersion: string;
  preprocessArtifact: string;
  inputType: string;
  inputSize: string;
  state: EndpointState;
  reason: string;
  progress: number;
  uptimeMs: number;
  ageMs: number;
  updatedAtMs: number;
  cpuCount: number;
  gpuCount: number;
  references: { type: string; value: string }[];
}

export interface EndpointList {
  endpoints: ServedEndpoint[];
  loading: ServedInstance[];
  timeMs: number;
}

export interface EndpointDetails {
  endpoint: ServedEndpoint;
  instances: ServedInstance[];
}

export interface EndpointLog {
  replica: string;
  reason: string;
  lines: string[];
}

export interface Series {
  instance: string;
  timesMs: number[];
  values: number[];
}

export interface MetricSeries {
  metric: string;
  title: string;
  total: Series;
  instances: Series[];
}

export interface HeatMap {
  intervalMs: number;
  upperBoundsMs: number[];
  columns: { timeMs: number; counts: number[] }[];
}

export interface Bucket {
  upperBound: number;
  count: number;
}

export interface Distributions {
  batchRows: Bucket[];
  queueDelayMs: Bucket[];
  latencyMs: Bucket[];
}

/** A stretch of time; the end is now. */
export interface Span {
  endpoint: string;
  fromMs: number;
  intervalMs: number;
}

const Root = '/v1/metrics';

export const listEndpoints = (signal: AbortSignal) => call<EndpointList>(`${Root}/endpoints`, { signal });

export const getEndpoint = (id: string, signal: AbortSignal) => call<EndpointDetails>(`${Root}/endpoints/${encodeURIComponent(id)}`, { signal });

export const getLog = (endpoint: string, signal: AbortSignal) =>
  call<EndpointLog>(`${Root}/log${queryOf({ endpoint, line_count: 200 })}`, { signal });

export async function querySeries(
  { endpoint, fromMs, intervalMs }: Span, metrics: string[], omitsInstances: boolean, signal: AbortSignal): Promise<MetricSeries[]> {
  const query = queryOf({ endpoint, from_ms: fromMs, interval_ms: intervalMs, metrics, omits_instances: omitsInstances });
  const { series } = await call<{ series: MetricSeries[] }>(`${Root}/series${query}`, { signal });
  return series.map(one => ({ ...one, total: readSeries(one.total), instances: one.instances.map(readSeries) }));
}

export const queryHeatMap = ({ endpoint, fromMs, intervalMs }: Span, signal: AbortSignal) =>
  call<HeatMap>(`${Root}/heat-map${queryOf({ endpoint, from_ms: fromMs, interval_ms: intervalMs })}`, { signal });

export const queryDistributions = ({ endpoint, fromMs }: Span, signal: AbortSignal) =>
  call<Distributions>(`${Root}/distributions${queryOf({ endpoint, from_ms: fromMs })}`, { signal });

const readSeries = (series: Series | null): Series => ({
  instance: series?.instance ?? '',
  timesMs: series?.timesMs.map(Number) ?? [],
  values: series?.values.map(Number) ?? [],
});
