import type { ComponentChildren } from 'preact';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';

const Narrowest = 180;
const Widest = 640;
const Step = 20;

/** A list and what it leads to, with a line between them that is dragged or moved by arrow keys; one after the other where it is narrow. */
export function Splitter({ side, main }: { side: ComponentChildren; main: ComponentChildren }) {
  const { listWidth } = useStore(preferences);
  const resize = (width: number) => preferences.set({ listWidth: Math.min(Widest, Math.max(Narrowest, Math.round(width))) });
  return (
    <div class="split" style={{ gridTemplateColumns: `${listWidth}px 7px minmax(0, 1fr)` }}>
      <div class="side">{side}</div>
      <div
        class="splitter" role="separator" aria-orientation="vertical" aria-label="Width of the list" tabIndex={0}
        aria-valuenow={listWidth} aria-valuemin={Narrowest} aria-valuemax={Widest}
        onKeyDown={event => {
          if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
          event.preventDefault();
          resize(listWidth + (event.key === 'ArrowLeft' ? -Step : Step));
        }}
        onPointerDown={event => {
          const [handle, start] = [event.currentTarget, event.clientX];
          handle.setPointerCapture(event.pointerId);
          handle.onpointermove = move => resize(listWidth + move.clientX - start);
          handle.onpointerup = () => {
            handle.onpointermove = null;
            handle.onpointerup = null;
          };
        }} />
      <div class="content">{main}</div>
    </div>
  );
}
