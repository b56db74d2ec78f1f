import type { ServedEndpoint, ServedInstance } from '../api/metrics';
import { formatDuration, formatKind, formatLatency, formatNumber, formatShare, formatState, formatWhole, orNone } from '../format';
import type { Column } from '../table/columns';
import type { TableSpec } from '../table/TableView';
import { Icon } from '../ui/icons';
import { StateBadge } from '../ui/parts';

const seconds = (ms: number) => Math.floor(ms / 1000);

const round = (value: number) => Math.round(value * 1000) / 1000;

/** A time of requests, with nothing where there were none. */
const latency = (id: string, title: string, value: (row: ServedEndpoint) => number, width = 68): Column<ServedEndpoint> => ({
  id, title, type: 'number', width, filters: true, value: row => round(value(row)), cell: row => formatLatency(value(row)),
});

const name: Column<ServedEndpoint> = {
  id: 'endpoint', title: 'ENDPOINT', type: 'text', width: 170, value: row => row.name,
  cell: row => (
    <>
      {row.reason && <span class="warned" title={row.reason}><Icon name="warn" /><span class="unseen">failing: </span></span>}
      {row.name}
    </>
  ),
};

const model: Column<ServedEndpoint> = {
  id: 'model', title: 'MODEL', type: 'choice', width: 126, filters: true, value: row => row.modelName, cell: row => orNone(row.modelName),
};

const kind: Column<ServedEndpoint> = {
  id: 'kind', title: 'KIND', type: 'choice', width: 96, filters: true, value: row => formatKind(row.kind),
};

const state: Column<ServedEndpoint> = {
  id: 'state', title: 'STATE', type: 'choice', width: 96, filters: true, value: row => formatState(row.state),
  cell: row => <StateBadge state={row.state} />,
};

const searched = (row: ServedEndpoint) => `${row.name}\n${row.modelName}\n${row.id}`;

export const activeTable: TableSpec<ServedEndpoint> = {
  id: 'active',
  label: 'Active endpoints',
  fileName: 'Sluice All Endpoints-table.csv',
  sorts: [{ column: 'uptime', descends: true }],
  keyOf: row => row.id,
  searched,
  columns: [
    name,
    model,
    { id: 'url', title: 'URL', type: 'text', width: 140, value: row => row.url },
    { id: 'instances', title: '# INSTANCES', type: 'number', width: 104, value: row => row.instanceCount },
    {
      id: 'uptime', title: 'UPTIME', type: 'duration', width: 84, filters: true, value: row => seconds(row.uptimeMs),
      cell: row => formatDuration(seconds(row.uptimeMs)),
    },
    {
      id: 'requests', title: '# REQUESTS', type: 'number', width: 104, filters: true, value: row => row.requestCount,
      cell: row => formatWhole(row.requestCount),
    },
    {
      id: 'rate', title: 'REQUEST / MIN', type: 'number', width: 120, filters: true, value: row => round(row.requestsPerMinute),
      cell: row => formatNumber(row.requestsPerMinute),
    },
    latency('latency', 'LATENCY', row => row.latencyMs, 88),
    latency('p50', 'P50', row => row.p50Ms),
    latency('p90', 'P90', row => row.p90Ms),
    latency('p99', 'P99', row => row.p99Ms),
    {
      id: 'errors', title: 'ERRORS', type: 'number', width: 80, filters: true, value: row => round(row.errorRate * 100),
      cell: row => <span class={row.errorRate > 0 ? 'error' : ''}>{formatShare(row.errorRate)}</span>,
    },
    {
      id: 'failures', title: '# FAILED', type: 'number', width: 96, filters: true, startsHidden: true, value: row => row.failureCount,
      cell: row => formatWhole(row.failureCount),
    },
    kind,
    { ...state, startsHidden: true },
    {
      id: 'tags', title: 'TAGS', type: 'choice', width: 120, filters: true, startsHidden: true, value: row => row.tags,
    },
  ],
  empty: (
    <>
      <p>No active endpoints.</p>
      <p>
        Make one with <code>clearml-serving model add</code>, start the server with a model repository, or report one with
        ClearML's <code>HttpRouter</code>.
      </p>
    </>
  ),
};

export const failingTable: TableSpec<ServedEndpoint> = {
  id: 'failing',
  label: 'Failing endpoints',
  fileName: 'Sluice Failing Endpoints-table.csv',
  sorts: [{ column: 'endpoint', descends: false }],
  keyOf: row => row.id,
  searched: row => `${searched(row)}\n${row.reason}`,
  columns: [
    { ...name, cell: row => row.name },
    model,
    kind,
    state,
    { id: 'reason', title: 'REASON', type: 'text', width: 620, value: row => row.reason },
    {
      id: 'updated', title: 'LAST WORD', type: 'text', width: 150, value: row => new Date(row.updatedAtMs).toISOString(),
      cell: row => new Date(row.updatedAtMs).toLocaleString(),
    },
  ],
  empty: <p>Nothing fails.</p>,
};

export const loadingTable: TableSpec<ServedInstance> = {
  id: 'loading',
  label: 'Loading instances',
  fileName: 'Sluice Loading Endpoints-table.csv',
  sorts: [{ column: 'age', descends: true }],
  keyOf: row => `${row.id} ${row.endpoint}`,
  searched: row => `${row.endpoint}\n${row.modelName}\n${row.id}`,
  columns: [
    { id: 'instance', title: 'INSTANCE ID', type: 'text', width: 210, value: row => row.id },
    { id: 'endpoint', title: 'ENDPOINT', type: 'text', width: 180, value: row => row.endpoint },
    { id: 'model', title: 'MODEL', type: 'choice', width: 170, filters: true, value: row => row.modelName, cell: row => orNone(row.modelName) },
    {
      id: 'age', title: 'AGE', type: 'duration', width: 90, filters: true, value: row => seconds(row.ageMs),
      cell: row => formatDuration(seconds(row.ageMs)),
    },
    { id: 'state', title: 'STATE', type: 'choice', width: 110, filters: true, value: row => formatState(row.state), cell: row => <StateBadge state={row.state} /> },
    {
      id: 'progress', title: 'PROGRESS', type: 'number', width: 96, value: row => Math.round(row.progress * 100),
      cell: row => <progress value={row.progress} max={1} aria-label="Progress" />,
    },
    {
      id: 'preprocess', title: 'PREPROCESS ARTIFACT', type: 'choice', width: 170, filters: true, value: row => row.preprocessArtifact,
      cell: row => orNone(row.preprocessArtifact),
    },
    { id: 'input-type', title: 'INPUT TYPE', type: 'choice', width: 120, filters: true, value: row => row.inputType, cell: row => orNone(row.inputType) },
    { id: 'input-size', title: 'INPUT SIZE', type: 'number', width: 120, filters: true, value: row => sizeOf(row.inputSize), cell: row => orNone(row.inputSize) },
  ],
  empty: <p>Nothing is loading.</p>,
};

/** Elements of the inputs, for filters: the product of the dimensions that are known. */
const sizeOf = (text: string) => (text.match(/\d+/g) ?? []).reduce((product, one) => product * Number(one), text ? 1 : 0);
