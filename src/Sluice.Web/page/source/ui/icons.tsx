const paths = {
  refresh: 'M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3',
  download: 'M8 2v8m-3-3 3 3 3-3M3 13h10',
  filter: 'M2 3h12L9.5 8.5V13l-3-1.5v-3z',
  clear: 'M4 4l8 8M12 4l-8 8',
  eye: 'M1 8s2.5-4.5 7-4.5S15 8 15 8s-2.5 4.5-7 4.5S1 8 1 8zM8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4z',
  eyeOff: 'M2 2l12 12M6.5 4C11 2.8 15 8 15 8s-.9 1.6-2.6 2.9M4 5C2 6.300 1 8 1 8s2.500 4.500 7 4.500c1 0 2-.2 2.800-.6',
  table: 'M2 3h12v10H2zM2 6.500h12M6 3v10',
  details: 'M2 3h4v10H2zM8.500 4H14M8.500 8H14M8.500 12H14',
  columns: 'M2 3h12v10H2zM6 3v10M10 3v10',
  sun: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.500M8 13.500V15M1 8h1.500M13.500 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1',
  moon: 'M13 9.500A5.500 5.500 0 0 1 6.500 3 5.500 5.500 0 1 0 13 9.500z',
  half: 'M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12',
  lock: 'M4 7h8v6H4zM5.500 7V5a2.500 2.500 0 0 1 5 0v2',
  unlock: 'M4 7h8v6H4zM5.500 7V5A2.500 2.500 0 0 1 10 3.800',
  up: 'M8 13V3M4 7l4-4 4 4',
  down: 'M8 3v10M4 9l4 4 4-4',
  left: 'M10 3L5 8l5 5',
  right: 'M6 3l5 5-5 5',
  copy: 'M5 5h8v9H5zM3 11V2h7',
  warn: 'M8 2l6.500 11.500h-13zM8 6.500v3M8 11.500v.1',
  sort: 'M5 13V3M2 6l3-3 3 3M11 3v10M8 10l3 3 3-3',
} as const;

export type IconName = keyof typeof paths;

/** A picture beside words, or in a button that has a label. */
export const Icon = ({ name }: { name: IconName }) => (
  <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
    <path d={paths[name]} />
  </svg>
);
