import { useState } from 'preact/hooks';
import { IconButton } from '../ui/parts';

const Key = 'sluice.theme';
const next = { system: 'light', light: 'dark', dark: 'system' } as const;
const icons = { system: 'half', light: 'sun', dark: 'moon' } as const;

type Theme = keyof typeof next;

/** Goes from the system's colours to light ones, to dark ones, and back. */
export function ThemeButton() {
  const [theme, setTheme] = useState<Theme>(read);
  const change = () => {
    const chosen = next[theme];
    if (chosen === 'system') {
      localStorage.removeItem(Key);
      delete document.documentElement.dataset.theme;
    } else {
      localStorage.setItem(Key, chosen);
      document.documentElement.dataset.theme = chosen;
    }
    setTheme(chosen);
    dispatchEvent(new Event('sluice.theme'));
  };
  return <IconButton label={`Theme: ${theme}`} icon={icons[theme]} class="bare" onClick={change} />;
}

function read(): Theme {
  const theme = document.documentElement.dataset.theme;
  return theme === 'light' || theme === 'dark' ? theme : 'system';
}
