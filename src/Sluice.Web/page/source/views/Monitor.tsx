import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Bucket, type EndpointDetails, type HeatMap, queryDistributions, queryHeatMap } from '../api/metrics';
import { BarChart } from '../charts/BarChart';
import { type Chart, charts, spans } from '../charts/catalogue';
import { HeatMapChart } from '../charts/HeatMapChart';
import { LineChart, type Stretch } from '../charts/LineChart';
import { type History, readHistory, toLines } from '../charts/series';
import { useAccess } from '../state/access';
import { usePolling } from '../state/polling';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import { IconButton } from '../ui/parts';
import { ChartDrawer } from './ChartDrawer';

const PeriodMs = 45_000;
const ShortestIntervalMs = 10_000;

// Of a chart, pixels; the interval must not change with each step of a window's edge.
const UsualWidth = 560;

const isCalm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** The charts of one endpoint. */
export function Monitor({ details }: { details: EndpointDetails }) {
  const { spanHours, hiddenCharts } = useStore(preferences);
  const [isOpen, setOpen] = useState(false);
  const [zoom, setZoom] = useState<Stretch | null>(null);
  const grid = useRef<HTMLDivElement>(null);
  const instances = useMemo(() => details.instances.map(({ id }) => id).sort(), [details]);
  const shown = charts.filter(({ id }) => !hiddenCharts.includes(id));
  return (
    <>
      <div class="toolbar">
        <label class="row">
          Time span
          <select value={spanHours} onChange={event => {
            setZoom(null);
            preferences.set({ spanHours: Number(event.currentTarget.value) });
          }}>
            {spans.map(({ hours, title }) => <option key={hours} value={hours}>{title}</option>)}
          </select>
        </label>
        {zoom
          ? <button type="button" onClick={() => setZoom(null)}>Whole span</button>
          : <span class="soft hint">Drag across a chart to look closer.</span>}
        <span class="push" />
        <IconButton label="Show and hide charts" icon={hiddenCharts.length > 0 ? 'eyeOff' : 'eye'} isPressed={isOpen} onClick={() => setOpen(!isOpen)} />
      </div>
      <div class="monitor">
        <div class="charts" ref={grid}>
          {shown.map(chart => <ChartCard
            key={chart.id} chart={chart} endpoint={details.endpoint.id} instances={instances} spanHours={spanHours}
            zoom={zoom} onZoom={setZoom} />)}
          {shown.length === 0 && <p class="empty">All charts are hidden.</p>}
        </div>
        {isOpen && (
          <ChartDrawer onClose={() => setOpen(false)}
            onGo={id => grid.current?.querySelector(`[data-chart="${id}"]`)?.scrollIntoView({ behavior: isCalm() ? 'auto' : 'smooth', block: 'start' })} />
        )}
      </div>
    </>
  );
}

interface CardProps {
  chart: Chart;
  endpoint: string;
  instances: string[];
  spanHours: number;
  zoom: Stretch | null;
  onZoom: (stretch: Stretch | null) => void;
}

/** A chart in its frame; reads nothing before it comes into sight. */
function ChartCard(props: CardProps) {
  const card = useRef<HTMLElement>(null);
  const [isSeen, setSeen] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver(entries => {
      if (!entries.some(entry => entry.isIntersecting)) return;
      setSeen(true);
      observer.disconnect();
    }, { rootMargin: '200px' });
    observer.observe(card.current!);
    return () => observer.disconnect();
  }, []);
  const { chart } = props;
  return (
    <figure ref={card} class="chart" data-chart={chart.id}>
      <figcaption>
        <h3>{chart.title}</h3>
        <IconButton label={`Hide ${chart.title}`} icon="eyeOff" class="bare"
          onClick={() => preferences.set({ hiddenCharts: [...preferences.get().hiddenCharts, chart.id] })} />
      </figcaption>
      {isSeen ? <ChartBody {...props} /> : <div class="plot" />}
    </figure>
  );
}

/** What a chart shows, by its kind. */
interface Read {
  heat?: HeatMap;
  bars?: Bucket[];
  history?: History;
}

function ChartBody({ chart, endpoint, instances, spanHours, zoom, onZoom }: CardProps) {
  const { refreshes } = useStore(preferences);
  const { token } = useAccess();
  const spanMs = spanHours * 3_600_000;
  const intervalMs = Math.max(ShortestIntervalMs, Math.ceil((spanMs / Math.min(innerWidth, UsualWidth)) * 2));
  const key = `${chart.id} ${endpoint} ${spanHours} ${token}`;
  const { data, error, at } = usePolling(key, async (signal, before: Read | undefined): Promise<Read> => {
    const span = { endpoint, intervalMs, fromMs: Math.floor(Date.now() - spanMs) };
    if (chart.kind === 'heat') return { heat: await queryHeatMap(span, signal) };
    if (chart.kind === 'bars') return { bars: (await queryDistributions(span, signal))[chart.of] };
    return { history: await readHistory(endpoint, chart.metrics, spanMs, intervalMs, chart.totalOnly ?? false, signal, before?.history) };
  }, PeriodMs, refreshes);

  const lines = useMemo(
    () => (chart.kind === 'lines' && data?.history ? toLines(data.history.series, instances, chart) : undefined), [data, chart, instances]);
  const end = (at || Date.now()) / 1000;
  const { from, to } = zoom ?? { from: end - spanHours * 3600, to: end };
  if (!data) return <p class="nothing" role="status">{error ? error.message : '…'}</p>;
  if (data.heat) return data.heat.columns.length > 0 ? <HeatMapChart map={data.heat} from={from} to={to} /> : <p class="nothing">No data in this time span.</p>;
  if (data.bars && chart.kind === 'bars') return <BarChart label={chart.title} buckets={data.bars} unit={chart.unit} />;
  return lines && lines.times.length > 0 ? <LineChart label={chart.title} lines={lines} from={from} to={to} onZoom={onZoom} /> : <p class="nothing">No data in this time span.</p>;
}
