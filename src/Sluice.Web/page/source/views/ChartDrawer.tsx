import { useState } from 'preact/hooks';
import { charts } from '../charts/catalogue';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import { IconButton } from '../ui/parts';

/** The list of charts: each is shown or hidden, or scrolled to. */
export function ChartDrawer({ onClose, onGo }: { onClose: () => void; onGo: (id: string) => void }) {
  const { hiddenCharts } = useStore(preferences);
  const [wanted, setWanted] = useState('');
  const hide = (ids: string[]) => preferences.set({ hiddenCharts: ids });
  return (
    <aside class="drawer" aria-label="Charts" onKeyDown={event => event.key === 'Escape' && onClose()}>
      <div class="row">
        <input type="search" placeholder="Search" aria-label="Search charts" value={wanted} onInput={event => setWanted(event.currentTarget.value)} />
        <IconButton label="Close" icon="clear" class="bare push" onClick={onClose} />
      </div>
      <div class="row">
        <button type="button" onClick={() => hide(charts.map(({ id }) => id))}>HIDE ALL</button>
        <button type="button" onClick={() => hide([])}>SHOW ALL</button>
      </div>
      <ul>
        {charts.filter(({ title }) => title.toLowerCase().includes(wanted.toLowerCase())).map(({ id, title }) => {
          const isHidden = hiddenCharts.includes(id);
          return (
            <li key={id} class="row">
              <IconButton label={`${isHidden ? 'Show' : 'Hide'} ${title}`} icon={isHidden ? 'eyeOff' : 'eye'} class="bare" isPressed={!isHidden}
                onClick={() => hide(isHidden ? hiddenCharts.filter(one => one !== id) : [...hiddenCharts, id])} />
              <button type="button" class="bare" disabled={isHidden} onClick={() => onGo(id)}>{title}</button>
            </li>
          );
        })}
      </ul>
    </aside>
  );
}
