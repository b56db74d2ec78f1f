import type { Bucket } from '../api/metrics';
import { formatNumber, formatShare, formatWhole } from '../format';

const Height = 150;

/** How often values fell into ranges. */
export function BarChart({ label, buckets, unit }: { label: string; buckets: Bucket[]; unit: string }) {
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  const most = Math.max(1, ...buckets.map(({ count }) => count));
  const every = Math.max(1, Math.ceil(buckets.length / 12));
  if (total === 0) return <p class="nothing">No data in this time span.</p>;
  return (
    <>
      <div class="bars" role="img" aria-label={`${label}. ${formatWhole(total)} in ${buckets.length} ranges.`} style={{ height: `${Height}px` }}>
        {buckets.map(({ upperBound, count }, place) => (
          <div key={upperBound} title={`up to ${formatNumber(upperBound)} ${unit}: ${formatWhole(count)} (${formatShare(count / total)})`}>
            <span style={{ height: `${(count / most) * (Height - 24)}px` }} />
            <small>{place % every === 0 ? formatNumber(upperBound) : ''}</small>
          </div>
        ))}
      </div>
      <p class="legend soft">{formatWhole(total)} in all</p>
    </>
  );
}
