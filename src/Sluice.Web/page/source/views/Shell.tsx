import { useState } from 'preact/hooks';
import { mayAct, useAccess } from '../state/access';
import { EndpointsProvider, useEndpoints } from '../state/endpoints';
import { preferences } from '../state/preferences';
import { useRoute } from '../state/route';
import { useStore } from '../state/store';
import { IconButton, Tabs } from '../ui/parts';
import { AccessDialog } from './AccessDialog';
import { Audit } from './Audit';
import { Canaries } from './Canaries';
import { Endpoints } from './Endpoints';
import { Registry } from './Registry';
import { ThemeButton } from './ThemeButton';

const views = [
  { id: 'endpoints', title: 'Endpoints', href: '/endpoints/active' },
  { id: 'canaries', title: 'Canaries', href: '/canaries' },
  { id: 'registry', title: 'Registry', href: '/registry' },
  { id: 'audit', title: 'Audit log', href: '/audit' },
];

/** The frame of the page: where one can go, and what is shown there. */
export const Shell = () => (
  <EndpointsProvider>
    <Frame />
  </EndpointsProvider>
);

function Frame() {
  const { path } = useRoute();
  const { refreshes } = useStore(preferences);
  const access = useAccess();
  const { error, at, reload } = useEndpoints();
  const [asksForToken, setAsksForToken] = useState(false);
  const view = path[0] ?? 'endpoints';
  const may = mayAct(access);
  return (
    <div class="shell">
      <header>
        <a class="brand" href="/"><img src="/favicon.svg" alt="" />Model Endpoints</a>
        <Tabs label="Views" tabs={views} current={view} />
        <span class="row push">
          <IconButton label="Refresh now" icon="refresh" class="bare" onClick={reload} />
          <label class="row">
            <input type="checkbox" role="switch" checked={refreshes}
              onChange={event => preferences.set({ refreshes: event.currentTarget.checked })} />
            Auto-refresh
          </label>
          <ThemeButton />
          <IconButton label={may ? 'Actions are allowed' : 'Read only: allow actions'} icon={may ? 'unlock' : 'lock'} isPressed={may}
            onClick={() => setAsksForToken(true)} />
        </span>
      </header>
      <div>
        {access.isRefused
          ? (
            <div class="notice" role="alert">
              The server asks for credentials.
              <button type="button" onClick={() => setAsksForToken(true)}>Give a token</button>
            </div>
          )
          : error && (
            <div class="notice" role="alert">
              {error.message}; trying again.
              {at > 0 && <span>What is shown is from {new Date(at).toLocaleTimeString()}.</span>}
            </div>
          )}
      </div>
      <main>
        {view === 'canaries' ? <Canaries /> : view === 'registry' ? <Registry /> : view === 'audit' ? <Audit /> : <Endpoints />}
      </main>
      {asksForToken && <AccessDialog onClose={() => setAsksForToken(false)} />}
    </div>
  );
}
