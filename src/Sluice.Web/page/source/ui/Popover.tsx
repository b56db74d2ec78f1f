import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Icon, type IconName } from './icons';

interface MenuButtonProps {
  label: string;
  icon?: IconName;
  text?: string;
  isActive?: boolean;
  class?: string;
  children: (close: () => void) => ComponentChildren;
}

/** A button that opens a small panel beside it; Escape and clicks elsewhere close it, and the focus comes back. */
export function MenuButton({ label, icon, text, isActive, class: names, children }: MenuButtonProps) {
  const [isOpen, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <>
      <button
        ref={button} type="button" class={names} aria-label={label} title={label} aria-expanded={isOpen} aria-haspopup="dialog"
        aria-pressed={isActive ?? false} onClick={event => {
          event.stopPropagation();
          setOpen(!isOpen);
        }}>
        {icon && <Icon name={icon} />}
        {text && <span>{text}</span>}
      </button>
      {isOpen && <Panel label={label} anchor={button.current!} onClose={close}>{children(close)}</Panel>}
    </>
  );
}

function Panel({ label, anchor, onClose, children }: { label: string; anchor: HTMLElement; onClose: () => void; children: ComponentChildren }) {
  const panel = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState({ left: '0px', top: '0px' });
  useLayoutEffect(() => {
    const box = anchor.getBoundingClientRect();
    const own = panel.current!.getBoundingClientRect();
    setPlace({
      left: `${Math.max(8, Math.min(box.left, innerWidth - own.width - 8))}px`,
      top: `${box.bottom + own.height + 8 > innerHeight && box.top > own.height ? box.top - own.height - 4 : box.bottom + 4}px`,
    });
    panel.current!.querySelector<HTMLElement>('input, button, select')?.focus();
  }, [anchor]);
  useEffect(() => {
    const outside = (event: Event) => {
      if (event.target instanceof Node && !panel.current?.contains(event.target) && !anchor.contains(event.target)) onClose();
    };
    document.addEventListener('pointerdown', outside);
    return () => document.removeEventListener('pointerdown', outside);
  });
  return (
    <div
      ref={panel} class="popover" role="dialog" aria-label={label} style={place} onClick={event => event.stopPropagation()}
      onKeyDown={event => {
        event.stopPropagation();
        if (event.key === 'Escape') onClose();
      }}>
      {children}
    </div>
  );
}
