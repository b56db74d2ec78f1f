import { useMemo, useState } from 'preact/hooks';
import { type AuditEntry, listAudit } from '../api/control';
import { useAccess } from '../state/access';
import { usePolling } from '../state/polling';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import type { Column } from '../table/columns';
import { TableBody, type TableSpec, Toolbar, useArranged } from '../table/TableView';
import { Dialog } from '../ui/Dialog';
import { Facts } from '../ui/parts';

const columns: Column<AuditEntry>[] = [
  { id: 'at', title: 'WHEN', type: 'text', width: 170, value: row => row.at, cell: row => new Date(row.at).toLocaleString() },
  { id: 'actor', title: 'WHO', type: 'choice', width: 140, filters: true, value: row => row.actor },
  { id: 'action', title: 'WHAT', type: 'choice', width: 160, filters: true, value: row => row.action },
  { id: 'target', title: 'TARGET', type: 'text', width: 240, value: row => row.target },
  { id: 'change', title: 'CHANGE', type: 'text', width: 380, value: row => summary(row) },
  { id: 'service', title: 'SERVICE', type: 'choice', width: 250, filters: true, startsHidden: true, value: row => row.serviceId },
  { id: 'revision', title: 'REVISION', type: 'number', width: 90, value: row => Number(row.revision) },
];

const spec: TableSpec<AuditEntry> = {
  id: 'audit',
  label: 'Audit log',
  fileName: 'Sluice Audit-table.csv',
  sorts: [{ column: 'at', descends: true }],
  keyOf: row => row.id,
  searched: row => `${row.actor}\n${row.action}\n${row.target}\n${row.serviceId}`,
  columns,
  empty: <p>Nobody has changed anything yet.</p>,
};

/** Who changed what, newest first. */
export function Audit() {
  const { refreshes } = useStore(preferences);
  const { token } = useAccess();
  const [older, setOlder] = useState<AuditEntry[]>([]);
  const [isEnd, setEnd] = useState(false);
  const [open, setOpen] = useState<AuditEntry>();
  const { data, error } = usePolling(`audit ${token}`, signal => listAudit('0', signal), 10_000, refreshes);
  const rows = useMemo(() => {
    const newest = data ?? [];
    const seen = new Set(newest.map(({ id }) => id));
    return [...newest, ...older.filter(({ id }) => !seen.has(id))];
  }, [data, older]);
  const table = useArranged(spec, rows);

  async function readOlder(): Promise<void> {
    const more = await listAudit(rows.at(-1)?.id ?? '0', new AbortController().signal);
    setOlder([...older, ...rows, ...more].filter((entry, place, all) => all.findIndex(({ id }) => id === entry.id) === place));
    setEnd(more.length === 0);
  }

  return (
    <>
      <Toolbar table={table}>
        <button type="button" disabled={isEnd || rows.length === 0} onClick={() => void readOlder()}>{isEnd ? 'That is all' : 'Read older ones'}</button>
      </Toolbar>
      {!data && <p class="empty" role="status">{error ? error.message : 'Reading the audit log…'}</p>}
      {data && <TableBody table={table} onOpen={setOpen} />}
      {open && (
        <Dialog title={`${open.action}: ${open.target}`} action={null} onClose={() => setOpen(undefined)}>
          <Facts facts={[
            ['WHEN', new Date(open.at).toLocaleString()], ['WHO', open.actor], ['SERVICE', open.serviceId], ['REVISION', String(open.revision)],
          ]} />
          {(['before', 'after'] as const).map(side => (
            <div key={side}>
              <h3>{side.toUpperCase()}</h3>
              <pre class="log">{open[side] === null || open[side] === undefined ? 'not there' : JSON.stringify(open[side], null, 2)}</pre>
            </div>
          ))}
        </Dialog>
      )}
    </>
  );
}

/** Fields that differ, or that the record came or went. */
function summary({ before, after }: AuditEntry): string {
  if (before === null || before === undefined) return after === null || after === undefined ? '' : 'new';
  if (after === null || after === undefined) return 'removed';
  const [was, is] = [before as Record<string, unknown>, after as Record<string, unknown>];
  return [...new Set([...Object.keys(was), ...Object.keys(is)])]
    .filter(name => JSON.stringify(was[name]) !== JSON.stringify(is[name]))
    .map(name => `${name}: ${short(was[name])} → ${short(is[name])}`).join(', ') || 'the same again';
}

const short = (value: unknown) => {
  const text = value === undefined ? '–' : typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 60 ? text.slice(0, 57) + '…' : text;
};
