/** A chart of the monitor. */
export type Chart = { id: string; title: string } & (
  | {
    kind: 'lines';
    /** Names of protos/metrics/v1's metrics; one line of all instances together for each when there are several. */
    metrics: string[];
    /** Says what each of several metrics is. */
    labels?: string[];
    /** Instances are not drawn. */
    totalOnly?: boolean;
    /** What all instances together are called. */
    total: string;
    /** Values are shares of one. */
    isShare?: boolean;
  }
  | { kind: 'heat' }
  | { kind: 'bars'; of: 'batchRows' | 'queueDelayMs' | 'latencyMs'; unit: string });

const lines = (id: string, title: string, metric: string, total = 'Total', totalOnly = false): Chart =>
  ({ id, title, kind: 'lines', metrics: [metric], total, totalOnly });

/** The thirteen charts of the original in its order, with what it does not have beside what it belongs to. */
export const charts: Chart[] = [
  lines('requests', 'NUMBER OF REQUESTS', 'REQUESTS'),
  lines('rate', 'REQUESTS PER MINUTE', 'REQUESTS_MIN'),
  lines('latency', 'AVERAGE LATENCY (ms)', 'LATENCY_MS', 'Mean'),
  {
    id: 'quantiles', title: 'LATENCY P50 / P90 / P99 (ms)', kind: 'lines', metrics: ['LATENCY_P50', 'LATENCY_P90', 'LATENCY_P99'],
    labels: ['P50', 'P90', 'P99'], totalOnly: true, total: 'Total',
  },
  { id: 'errors', title: 'ERRORS (%)', kind: 'lines', metrics: ['ERROR_RATE'], total: 'Total', isShare: true },
  lines('failures', 'FAILURES PER MINUTE', 'FAILURES_MIN'),
  { id: 'heat', title: 'LATENCY HEAT MAP (ms)', kind: 'heat' },
  { id: 'spread', title: 'LATENCY DISTRIBUTION (ms)', kind: 'bars', of: 'latencyMs', unit: 'ms' },
  { id: 'batches', title: 'BATCH SIZE (rows)', kind: 'bars', of: 'batchRows', unit: 'rows' },
  { id: 'queue', title: 'QUEUE DELAY (ms)', kind: 'bars', of: 'queueDelayMs', unit: 'ms' },
  lines('cpu-count', 'CPU COUNT', 'CPU_COUNT', 'Total', true),
  lines('gpu-count', 'GPU COUNT', 'GPU_COUNT', 'Total', true),
  lines('cpu', 'AVERAGE CPU LOAD (%)', 'CPU_UTIL', 'Mean'),
  lines('gpu', 'AVERAGE GPU UTILIZATION (%)', 'GPU_UTIL', 'Mean'),
  lines('ram-used', 'MEMORY USAGE (GB)', 'RAM_USED'),
  lines('ram-free', 'MEMORY FREE (GB)', 'RAM_FREE'),
  lines('gpu-ram-used', 'GPU MEMORY USAGE (GB)', 'GPU_RAM_USED'),
  lines('gpu-ram-free', 'GPU MEMORY FREE (GB)', 'GPU_RAM_FREE'),
  lines('rx', 'NETWORK THROUGHPUT RX (MBps)', 'NETWORK_RX'),
  lines('tx', 'NETWORK THROUGHPUT TX (MBps)', 'NETWORK_TX'),
];

/** How far back charts reach. */
export const spans = [
  { hours: 3, title: '3 hours' },
  { hours: 6, title: '6 hours' },
  { hours: 12, title: '12 hours' },
  { hours: 24, title: '1 day' },
  { hours: 168, title: '1 week' },
  { hours: 720, title: '1 month' },
];
