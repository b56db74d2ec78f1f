import { useMemo } from 'preact/hooks';
import type { ServedEndpoint } from '../api/metrics';
import { isActive, isFailing, useEndpoints } from '../state/endpoints';
import { addressOf, currentRoute, navigate, useRoute } from '../state/route';
import { IconButton, Tabs } from '../ui/parts';
import { TableBody, type TableSpec, Toolbar, useArranged } from '../table/TableView';
import { EndpointCards } from './EndpointCards';
import { EndpointPanel } from './EndpointPanel';
import { activeTable, failingTable, loadingTable } from './endpointColumns';
import { Splitter } from './Splitter';

const waiting = <p role="status">Reading the endpoints…</p>;

/** The tabs of endpoints: those that serve, instances on their way, and what fails. */
export function Endpoints() {
  const { path } = useRoute();
  const { data } = useEndpoints();
  const tab = path[1] ?? 'active';
  const active = useMemo(() => data?.endpoints.filter(isActive) ?? [], [data]);
  const loading = useMemo(() => data?.loading.filter(({ state }) => state !== 'FAILED') ?? [], [data]);
  const failing = useMemo(() => data?.endpoints.filter(isFailing) ?? [], [data]);
  const tabs = [
    { id: 'active', title: 'ACTIVE', href: '/endpoints/active', count: data && active.length },
    { id: 'loading', title: 'LOADING', href: '/endpoints/loading', count: data && loading.length },
    { id: 'failing', title: 'FAILING', href: '/endpoints/failing', count: data && failing.length, isBad: true },
  ];
  return (
    <>
      <div class="bar"><Tabs label="Endpoints" tabs={tabs} current={tab} /></div>
      {tab === 'loading'
        ? <Loading key="loading" rows={loading} isWaiting={!data} />
        : tab === 'failing'
          ? <Rows key="failing" spec={failingTable} tab="failing" rows={failing} isWaiting={!data} />
          : <Rows key="active" spec={activeTable} tab="active" rows={active} isWaiting={!data} />}
    </>
  );
}

function Loading({ rows, isWaiting }: { rows: Parameters<typeof loadingTable.keyOf>[0][]; isWaiting: boolean }) {
  const table = useArranged(useMemo(() => (isWaiting ? { ...loadingTable, empty: waiting } : loadingTable), [isWaiting]), rows);
  return (
    <>
      <Toolbar table={table} />
      <TableBody table={table} />
    </>
  );
}

interface RowsProps {
  spec: TableSpec<ServedEndpoint>;
  tab: string;
  rows: ServedEndpoint[];
  isWaiting: boolean;
}

/** Endpoints as a table, or as a list beside the details of one. */
function Rows({ spec, tab, rows, isWaiting }: RowsProps) {
  const { path, query } = useRoute();
  const table = useArranged(useMemo(() => (isWaiting ? { ...spec, empty: waiting } : spec), [spec, isWaiting]), rows);
  const [, , id, section] = path;
  const show = (row: ServedEndpoint | undefined) => {
    const kept = currentRoute().query;
    navigate(row ? addressOf(['endpoints', tab, row.id, section ?? (tab === 'failing' ? 'log' : 'general')], kept) : addressOf(['endpoints', tab], kept));
  };
  const first = table.rows[0];
  return (
    <>
      <Toolbar table={table}>
        <span class="group" role="group" aria-label="View">
          <IconButton label="Table" icon="table" isPressed={id === undefined} onClick={() => show(undefined)} />
          <IconButton label="Details" icon="details" isPressed={id !== undefined} isDisabled={!first} onClick={() => show(first)} />
        </span>
      </Toolbar>
      {id === undefined
        ? <TableBody table={table} onOpen={show} />
        : (
          <Splitter
            side={<EndpointCards table={table} selected={id} onOpen={show} />}
            main={<EndpointPanel key={id} id={id} section={section ?? 'general'} base={['endpoints', tab]} query={query} onClose={() => show(undefined)} />} />
        )}
    </>
  );
}
