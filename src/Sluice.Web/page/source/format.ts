const number = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** What stands where there is no value. */
export const None = 'N/A';

export const formatNumber = (value: number) => number.format(value);

export const formatWhole = (value: number) => whole.format(value);

/** Milliseconds with as many digits as matter. */
export const formatLatency = (ms: number) => (ms === 0 ? '0' : ms < 1 ? ms.toFixed(3) : ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : whole.format(ms));

export const formatShare = (share: number) => (share === 0 ? '0%' : share < 0.0001 ? '<0.01%' : `${number.format(share * 100)}%`);

const two = (value: number) => String(value).padStart(2, '0');

/** The two largest units that matter of seconds: 43m, 20:19h, 9:18d; below a minute seconds. */
export function formatDuration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 24) return `${Math.floor(hours / 24)}:${two(hours % 24)}d`;
  if (hours > 0) return `${hours}:${two(minutes % 60)}h`;
  return minutes > 0 ? `${minutes}m` : `${Math.floor(seconds)}s`;
}

/** Reads "90", "43m", "1:30h", "9:18d"; seconds, or undefined when it is none of these. */
export function parseDuration(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)(?::(\d{1,2}))?\s*([smhd]?)\s*$/.exec(text);
  if (!match) return undefined;
  const [, first, second, unit] = match;
  const [big, small] = { s: [1, 0], m: [60, 1], h: [3600, 60], d: [86400, 3600], '': [1, 0] }[unit ?? ''] ?? [1, 0];
  return Number(first) * big! + Number(second ?? 0) * small!;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['KB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${number.format(value)} ${units[unit]}`;
}

export const formatTime = (ms: number) => (ms ? new Date(ms).toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'medium' }) : None);

const kinds: Record<string, string> = {
  STATIC: 'static', AUTO_UPDATE: 'auto-update', CANARY: 'canary', MODEL: 'model', REPORTED: 'reported',
};

export const formatKind = (kind: string) => kinds[kind] ?? 'unknown';

export const formatState = (state: string) => (state.startsWith('ENDPOINT') ? 'unknown' : state.toLowerCase());

export const orNone = (text: string | undefined) => text || None;
