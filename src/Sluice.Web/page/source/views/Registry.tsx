import { useMemo, useState } from 'preact/hooks';
import { archiveModel, changeTags, listModels, publishModel, putEndpoint, type RegisteredModel } from '../api/control';
import { formatBytes, orNone } from '../format';
import { mayAct, useAccess } from '../state/access';
import { useEndpoints } from '../state/endpoints';
import { usePolling } from '../state/polling';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import type { Column } from '../table/columns';
import { TableBody, type TableSpec, Toolbar, useArranged } from '../table/TableView';
import { Dialog } from '../ui/Dialog';
import { Facts } from '../ui/parts';
import { RepositoryModels } from './RepositoryModels';

/** A model with the endpoints that serve it. */
interface Row extends RegisteredModel {
  servedBy: { id: string; name: string; modelVersion: string }[];
}

const columns: Column<Row>[] = [
  { id: 'name', title: 'MODEL', type: 'text', width: 210, value: row => row.name },
  { id: 'project', title: 'PROJECT', type: 'choice', width: 130, filters: true, value: row => row.project },
  { id: 'framework', title: 'FRAMEWORK', type: 'choice', width: 105, filters: true, value: row => row.framework, cell: row => orNone(row.framework) },
  {
    id: 'served', title: 'SERVED BY', type: 'choice', width: 200, filters: true, value: row => row.servedBy.map(({ name }) => name),
    cell: row => row.servedBy.map(({ id, name }) => (
      <a key={id} class="tag" href={`/endpoints/active/${id}/general`} onClick={event => event.stopPropagation()}>{name}</a>
    )),
  },
  {
    id: 'versions', title: 'VERSIONS', type: 'choice', width: 100, filters: true,
    value: row => [...new Set(row.servedBy.map(({ modelVersion }) => modelVersion))].filter(Boolean),
  },
  { id: 'tags', title: 'TAGS', type: 'choice', width: 150, filters: true, value: row => row.tags, cell: row => row.tags.map(tag => <span key={tag} class="tag">{tag}</span>) },
  {
    id: 'stage', title: 'STAGE', type: 'choice', width: 100, filters: true,
    value: row => (row.archived ? 'archived' : row.published ? 'published' : 'draft'),
  },
  { id: 'created', title: 'CREATED', type: 'text', width: 180, value: row => row.createdAt, cell: row => new Date(row.createdAt).toLocaleString() },
  { id: 'size', title: 'SIZE', type: 'number', width: 90, filters: true, value: row => row.sizeBytes, cell: row => (row.sizeBytes ? formatBytes(row.sizeBytes) : 'N/A') },
  { id: 'id', title: 'ID', type: 'text', width: 260, startsHidden: true, value: row => row.id },
];

const spec: TableSpec<Row> = {
  id: 'registry',
  label: 'Models',
  fileName: 'Sluice Models-table.csv',
  sorts: [{ column: 'created', descends: true }],
  keyOf: row => row.id,
  searched: row => `${row.name}\n${row.project}\n${row.id}\n${row.tags.join('\n')}`,
  columns,
  empty: <p>No models. Upload one with <code>clearml-serving model upload</code>.</p>,
};

/** The models of the registry with what serves them, and those of the repository. */
export function Registry() {
  const { refreshes } = useStore(preferences);
  const { token, hasModels } = useAccess();
  const { data: list } = useEndpoints();
  const { data, error, reload } = usePolling(`models ${token}`, signal => listModels(true, signal), 10_000, refreshes);
  const rows = useMemo(() => (data ?? []).map(model => ({
    ...model, servedBy: (list?.endpoints ?? []).filter(({ modelId }) => modelId === model.id).map(({ id, name, modelVersion }) => ({ id, name, modelVersion })),
  })), [data, list]);
  const table = useArranged(spec, rows);
  const [open, setOpen] = useState<string>();
  const shown = rows.find(({ id }) => id === open);
  return (
    <>
      <Toolbar table={table} />
      {!data && <p class="empty" role="status">{error ? error.message : 'Reading the registry…'}</p>}
      {data && <TableBody table={table} onOpen={row => setOpen(row.id)} />}
      {hasModels && <RepositoryModels />}
      {shown && <ModelDialog model={shown} onClose={() => setOpen(undefined)} onDone={reload} />}
    </>
  );
}

function ModelDialog({ model, onClose, onDone }: { model: Row; onClose: () => void; onDone: () => void }) {
  const may = mayAct(useAccess());
  const [tags, setTags] = useState(model.tags.join(', '));
  const [endpoint, setEndpoint] = useState('');
  const [version, setVersion] = useState('');
  const [error, setError] = useState('');
  const [said, setSaid] = useState('');

  async function act(name: string, action: () => Promise<unknown>): Promise<void> {
    setError('');
    setSaid('');
    try {
      await action();
      setSaid(`${name}: done`);
      onDone();
    } catch (failure) {
      setError((failure as Error).message);
    }
  }

  const saveTags = () => {
    const wanted = tags.split(',').map(tag => tag.trim()).filter(Boolean);
    return changeTags(model.id, wanted.filter(tag => !model.tags.includes(tag)), model.tags.filter(tag => !wanted.includes(tag)));
  };
  const serve = () => putEndpoint('-', { engineType: 'triton', servingUrl: endpoint.trim(), version: version.trim(), modelId: model.id });
  return (
    <Dialog title={model.name} action={null} onClose={onClose}>
      <Facts facts={[
        ['ID', <code key="id">{model.id}</code>], ['PROJECT', model.project], ['FRAMEWORK', model.framework], ['FILE', model.fileName],
        ['SIZE', model.sizeBytes ? formatBytes(model.sizeBytes) : ''], ['SHA-256', model.sha256 && <code class="digest">{model.sha256}</code>],
        ['CREATED', new Date(model.createdAt).toLocaleString()], ['COMMENT', model.comment],
        ['SERVED BY', model.servedBy.map(({ id, name }) => <a key={id} class="tag" href={`/endpoints/active/${id}/general`}>{name}</a>)],
      ]} />
      <fieldset disabled={!may} class="stack">
        <legend>{may ? 'Actions' : 'Actions (read only: allow actions first)'}</legend>
        <div class="row">
          <button type="button" disabled={model.published} onClick={() => void act('Publish', () => publishModel(model.id))}>Publish</button>
          <button type="button" onClick={() => void act('Archive', () => archiveModel(model.id, model.archived))}>
            {model.archived ? 'Restore' : 'Archive'}
          </button>
        </div>
        <div class="row">
          <label class="field">Tags, with commas<input value={tags} onInput={event => setTags(event.currentTarget.value)} /></label>
          <button type="button" onClick={() => void act('Tags', saveTags)}>Save tags</button>
        </div>
        <div class="row">
          <label class="field">Endpoint<input value={endpoint} onInput={event => setEndpoint(event.currentTarget.value)} /></label>
          <label class="field">Version<input value={version} size={6} onInput={event => setVersion(event.currentTarget.value)} /></label>
          <button type="button" disabled={!endpoint.trim()} onClick={() => void act('Load', serve)}>Load as endpoint</button>
        </div>
      </fieldset>
      <p role="status">{said}</p>
      {error && <p class="error" role="alert">{error}</p>}
    </Dialog>
  );
}
