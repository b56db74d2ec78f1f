import { useEffect, useState } from 'preact/hooks';

const light = ['#1f62a7', '#b35c00', '#1f7a45', '#8e3fa8', '#b3261e', '#0b7a86', '#7a6200', '#4d5fc4', '#a13a6b', '#55702a', '#6b5244', '#3d6f8e'];
const dark = ['#6cb0f5', '#f0a558', '#5fca8c', '#d08ce6', '#ff8b82', '#4fc6d2', '#d9bd4a', '#98a6ff', '#f08bb8', '#a4c66a', '#c7a894', '#86b9d6'];

export interface Colours {
  isDark: boolean;
  /** Of a line; -1 = that of all instances together. */
  line: (place: number) => string;
  text: string;
  grid: string;
}

const query = matchMedia('(prefers-color-scheme: dark)');

const isDark = () => (document.documentElement.dataset.theme ?? (query.matches ? 'dark' : 'light')) === 'dark';

/** The colours of what is drawn on canvases, as the theme has them. */
export function useColours(): Colours {
  const [now, setNow] = useState(isDark);
  useEffect(() => {
    const look = () => setNow(isDark());
    query.addEventListener('change', look);
    addEventListener('sluice.theme', look);
    return () => {
      query.removeEventListener('change', look);
      removeEventListener('sluice.theme', look);
    };
  }, []);
  const palette = now ? dark : light;
  return {
    isDark: now,
    line: place => (place < 0 ? (now ? '#e3e7ec' : '#1c2229') : palette[place % palette.length]!),
    text: now ? '#9aa5b1' : '#59636e',
    grid: now ? '#2d343d' : '#e6e9ed',
  };
}
