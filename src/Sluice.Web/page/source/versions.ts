import type { ServedEndpoint } from './api/metrics';

const parts = (text: string): string[] => text.match(/\d+|\D/g) ?? [];

/** Digits as numbers, everything else as it stands; greater is newer. */
function compareVersions(left: string, right: string): number {
  const [lefts, rights] = [parts(left), parts(right)];
  for (let at = 0; at < Math.min(lefts.length, rights.length); at++) {
    const [one, other] = [lefts[at]!, rights[at]!];
    const areNumbers = /\d/.test(one) && /\d/.test(other);
    const order = areNumbers ? Number(BigInt(one) > BigInt(other)) - Number(BigInt(one) < BigInt(other)) : Number(one > other) - Number(one < other);
    if (order !== 0) return order;
  }
  return lefts.length - rights.length;
}

/** The server's order of endpoints: by path, then by the last segment as a version, newest first. */
export function compareKeys(left: string, right: string): number {
  const [leftSlash, rightSlash] = [left.lastIndexOf('/'), right.lastIndexOf('/')];
  const plain = (one: string, other: string) => Number(one < other) - Number(one > other);
  if (leftSlash < 0 || rightSlash < 0) return plain(left, right);
  return plain(left.slice(0, leftSlash + 1), right.slice(0, rightSlash + 1)) ||
    compareVersions(right.slice(rightSlash + 1), left.slice(leftSlash + 1)) || plain(left, right);
}

/** Endpoints that a canary with a prefix counts its weights from: those that are ready, newest first; while none is, all. */
export function newestOf(prefix: string, endpoints: ServedEndpoint[]): string[] {
  const found = endpoints.filter(({ kind, name }) => (kind === 'STATIC' || kind === 'AUTO_UPDATE') && name.startsWith(prefix));
  const ready = found.filter(({ state }) => state === 'READY' || state === 'DRAINING');
  return (ready.length > 0 ? ready : found).map(({ name }) => name).sort(compareKeys);
}
