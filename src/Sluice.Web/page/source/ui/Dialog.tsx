import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';

interface DialogProps {
  title: string;
  /** What the button that does it says; null = there is nothing to do. */
  action: string | null;
  isDangerous?: boolean;
  /** Does it; the dialog stays open with the reason when it fails. */
  onSubmit?: () => Promise<void> | void;
  onClose: () => void;
  children: ComponentChildren;
}

/** A modal dialog with one action. */
export function Dialog({ title, action, isDangerous, onSubmit, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState('');
  useEffect(() => {
    const element = dialog.current!;
    element.showModal();
    return () => element.close();
  }, []);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setError('');
    try {
      await onSubmit?.();
      onClose();
    } catch (failure) {
      setError((failure as Error).message);
      setBusy(false);
    }
  }

  return (
    <dialog ref={dialog} aria-labelledby={heading} onCancel={onClose} onClose={onClose}>
      <form onSubmit={submit}>
        <h1 id={heading}>{title}</h1>
        {children}
        {error && <p class="error" role="alert">{error}</p>}
        <div class="row">
          <span class="push" />
          <button type="button" onClick={onClose}>{action ? 'Cancel' : 'Close'}</button>
          {action && <button type="submit" class={isDangerous ? 'danger' : 'primary'} disabled={isBusy}>{action}</button>}
        </div>
      </form>
    </dialog>
  );
}
