import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { formatState } from '../format';
import { Icon, type IconName } from './icons';

/** How something stands: a mark with its word. */
export const StateBadge = ({ state }: { state: string }) => {
  const word = formatState(state);
  return <span class={`badge ${word}`}>{word}</span>;
};

interface IconButtonProps {
  label: string;
  icon: IconName;
  onClick: () => void;
  isPressed?: boolean;
  isDisabled?: boolean;
  class?: string;
}

/** A button that shows a picture; its label is read out and shown on hover. */
export const IconButton = ({ label, icon, onClick, isPressed, isDisabled, class: names }: IconButtonProps) => (
  <button
    type="button" class={names} aria-label={label} title={label} onClick={onClick} disabled={isDisabled ?? false}
    {...(isPressed === undefined ? {} : { 'aria-pressed': isPressed })}>
    <Icon name={icon} />
  </button>
);

/** Copies a text; not there where the browser gives no clipboard, as on other hosts without TLS. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [isDone, setDone] = useState(false);
  if (!navigator.clipboard) return null;
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <>
      <IconButton label={label} icon="copy" class="bare" onClick={() => void copy()} />
      <span role="status" class="soft">{isDone ? 'copied' : ''}</span>
    </>
  );
}

/** Names with values; a value that is missing says so. */
export const Facts = ({ facts }: { facts: [name: string, value: ComponentChildren][] }) => (
  <dl class="facts">
    {facts.map(([name, value]) => (
      <div key={name}>
        <dt>{name}</dt>
        <dd>{value === '' || value === false || value === undefined || value === null ? 'N/A' : value}</dd>
      </div>
    ))}
  </dl>
);

/** One word for each of several views; the address says which one is shown. */
export const Tabs = ({ label, tabs, current }: {
  label: string; tabs: { id: string; title: string; href: string; count?: number | undefined; isBad?: boolean }[]; current: string;
}) => (
  <nav class="tabs" aria-label={label}>
    {tabs.map(({ id, title, href, count, isBad }) => (
      <a key={id} href={href} {...(id === current ? { 'aria-current': 'page' as const } : {})}>
        {title}
        {count !== undefined && <span class={`count ${isBad && count > 0 ? 'bad' : ''}`}>{count}</span>}
      </a>
    ))}
  </nav>
);
