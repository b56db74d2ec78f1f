import { useState } from 'preact/hooks';
import { access, giveToken, mayAct, useAccess } from '../state/access';
import { Dialog } from '../ui/Dialog';

/** Takes a token, or the user's word that actions are meant. */
export function AccessDialog({ onClose }: { onClose: () => void }) {
  const now = useAccess();
  const [token, setToken] = useState(now.token);
  if (!now.asks) {
    return (
      <Dialog
        title={now.isUnlocked ? 'Actions are allowed' : 'Allow actions'} action={now.isUnlocked ? 'Read only again' : 'Allow actions'}
        onSubmit={() => access.set({ isUnlocked: !now.isUnlocked })} onClose={onClose}>
        <p>
          This server does not ask who calls. {now.isUnlocked
            ? 'Loading, unloading, promoting and changes of canaries are allowed here.'
            : 'Until you allow it, this page changes nothing: it does not load, unload or promote, and leaves canaries alone.'}
        </p>
      </Dialog>
    );
  }
  return (
    <Dialog title="Credentials" action={mayAct(now) && token === '' ? 'Forget the token' : 'Use the token'} onSubmit={() => giveToken(token.trim())}
      onClose={onClose}>
      <p>
        An API key or a JSON web token; it is kept in this tab only. Endpoints and charts need the scope <code>metadata</code>, tries of them{' '}
        <code>infer</code>, registry, audit log and actions <code>control</code>.
      </p>
      <label class="field">
        Token
        <input type="password" autocomplete="off" value={token} onInput={event => setToken(event.currentTarget.value)} />
      </label>
    </Dialog>
  );
}
