import { useMemo, useState } from 'preact/hooks';
import { listRepository, loadModel, unloadModel } from '../api/control';
import { mayAct, useAccess } from '../state/access';
import { useEndpoints } from '../state/endpoints';
import { usePolling } from '../state/polling';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';

/** The models of the repository with their states; each is loaded or unloaded here. */
export function RepositoryModels() {
  const { refreshes } = useStore(preferences);
  const access = useAccess();
  const { data: list, reload: reloadEndpoints } = useEndpoints();
  const { data, reload } = usePolling(`repository ${access.token}`, signal => listRepository(signal), 10_000, refreshes);
  const [busy, setBusy] = useState('');
  const [error, setError] = useState('');
  // Endpoints keep their models among those of the repository, under their own names; they are loaded and unloaded by their endpoints.
  const models = useMemo(() => {
    const owned = new Set(list?.endpoints.filter(({ kind }) => kind !== 'MODEL').map(({ name }) => name.replaceAll('/', '_')));
    return (data ?? []).filter(({ name }) => !owned.has(name));
  }, [data, list]);
  if (models.length === 0) return null;

  async function act(name: string, action: (name: string) => Promise<unknown>): Promise<void> {
    setBusy(name);
    setError('');
    try {
      await action(name);
    } catch (failure) {
      setError(`${name}: ${(failure as Error).message}`);
    }
    setBusy('');
    reload();
    reloadEndpoints();
  }

  const disabled = (name: string) => !mayAct(access) || busy === name;
  return (
    <section class="repository" aria-label="Repository">
      <table class="plain">
        <caption>Model repository <span class="soft">{models.length}</span></caption>
        <thead>
          <tr><th scope="col">MODEL</th><th scope="col">VERSION</th><th scope="col">STATE</th><th scope="col">REASON</th><th scope="col"><span class="unseen">Actions</span></th></tr>
        </thead>
        <tbody>
          {models.map(({ name, version, state, reason }) => (
            <tr key={`${name} ${version}`}>
              <th scope="row">{name}</th>
              <td>{version}</td>
              <td><span class={`badge ${state === 'READY' ? 'ready' : reason && reason !== 'unloaded' ? 'failed' : ''}`}>{state?.toLowerCase() ?? 'not loaded'}</span></td>
              <td class="why" title={reason}>{reason}</td>
              <td class="row">
                <button type="button" disabled={disabled(name)} onClick={() => void act(name, loadModel)} aria-label={`Load ${name}`}>Load</button>
                <button type="button" disabled={disabled(name) || state !== 'READY'} onClick={() => void act(name, unloadModel)} aria-label={`Unload ${name}`}>Unload</button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {error && <p class="error" role="alert">{error}</p>}
    </section>
  );
}
