import { useState } from 'preact/hooks';
import { deleteEndpoint, loadModel, unloadModel } from '../api/control';
import type { ServedEndpoint } from '../api/metrics';
import { mayAct, useAccess } from '../state/access';
import { useEndpoints } from '../state/endpoints';
import { Dialog } from '../ui/Dialog';

interface Action {
  title: string;
  question: string;
  /** The endpoint is away after it. */
  removes: boolean;
  run: () => Promise<unknown>;
}

/** What may be done to an endpoint: models are loaded and unloaded, written endpoints removed; canaries are changed in their own view. */
export function EndpointActions({ endpoint, onDone, onGone }: { endpoint: ServedEndpoint; onDone: () => void; onGone: () => void }) {
  const access = useAccess();
  const { reload } = useEndpoints();
  const [asked, setAsked] = useState<Action>();
  const may = mayAct(access);
  if (endpoint.kind === 'CANARY') return <a class="button" href={`/canaries?name=${encodeURIComponent(endpoint.name)}`}>Canary</a>;
  return (
    <>
      {actionsOf(endpoint, access.hasModels).map(action => (
        <button
          key={action.title} type="button" class={action.removes ? 'danger' : ''} disabled={!may}
          title={may ? '' : 'Read only: allow actions first'} onClick={() => setAsked(action)}>
          {action.title}
        </button>
      ))}
      {asked && (
        <Dialog title={`${asked.title}: ${endpoint.name}`} action={asked.title} isDangerous={asked.removes} onClose={() => setAsked(undefined)}
          onSubmit={async () => {
            await asked.run();
            reload();
            (asked.removes ? onGone : onDone)();
          }}>
          <p>{asked.question}</p>
        </Dialog>
      )}
    </>
  );
}

function actionsOf({ kind, name, serviceId }: ServedEndpoint, hasModels: boolean): Action[] {
  if (kind === 'MODEL' && hasModels) {
    return [
      {
        title: 'Load', removes: false, question: 'Loads the model anew from its folder beside the one that serves, and swaps them.',
        run: () => loadModel(name),
      },
      { title: 'Unload', removes: true, question: 'Calls of this model are refused until it is loaded again.', run: () => unloadModel(name) },
    ];
  }

  if (kind === 'STATIC') {
    return [{
      title: 'Unload', removes: true, question: 'Removes the endpoint from its service. The model stays in the registry.',
      run: () => deleteEndpoint(serviceId, name),
    }];
  }

  return [];
}
