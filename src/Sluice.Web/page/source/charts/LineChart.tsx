import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { formatNumber } from '../format';
import { type Colours, useColours } from './colours';
import { pointAt } from './cursor';
import type { Lines } from './series';

const Height = 170;
const MostNamed = 12;
const Sync = uPlot.sync('monitor');

interface LineChartProps {
  label: string;
  lines: Lines;
  /** Ends of the time axis, seconds since 1970. */
  from: number;
  to: number;
  /** A stretch was marked by dragging, or with null all is wanted again. */
  onZoom: (stretch: Stretch | null) => void;
}

/** A part of the time axis, seconds since 1970. */
export interface Stretch {
  from: number;
  to: number;
}

/** Lines over time; the cursor is the same in all charts. */
export function LineChart({ label, lines, from, to, onZoom }: LineChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const range = useRef<[number, number]>([from, to]);
  range.current = [from, to];
  const zoom = useRef(onZoom);
  zoom.current = onZoom;
  const colours = useColours();
  const [at, setAt] = useState<number | null>(null);
  const shape = lines.lines.map(line => `${line.label}:${line.colour}`).join('|');
  const data = useMemo(() => [lines.times, ...lines.lines.map(line => line.values)] as uPlot.AlignedData, [lines]);

  useEffect(() => {
    const element = place.current!;
    const made = new uPlot(options(element.clientWidth, lines, colours, range, setAt, stretch => zoom.current(stretch)), data, element);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0) made.setSize({ width: element.clientWidth, height: Height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, colours.isDark]);

  useEffect(() => plot.current?.setData(data), [data, from, to]);

  const shown = at !== null && at < lines.times.length ? at : lines.times.length - 1;
  const told = lines.lines.map(line => `${line.label} ${formatNumber(line.values.at(-1) ?? 0)}`).slice(0, 4).join(', ');
  return (
    <>
      <div ref={place} class="plot" role="img" aria-label={`${label}. ${lines.times.length} points. Last: ${told || 'none'}`} />
      <ul class="legend">
        {lines.lines.slice(0, MostNamed).map(line => (
          <li key={line.label}>
            <span class="line" style={{ background: colours.line(line.colour) }} />
            <span class="line-name" title={line.label}>{line.label}</span>
            <b>{shown >= 0 && line.values[shown] !== null ? formatNumber(line.values[shown]!) : '–'}</b>
          </li>
        ))}
        {lines.lines.length > MostNamed && <li class="soft">and {lines.lines.length - MostNamed} more</li>}
      </ul>
    </>
  );
}

function options(
  width: number, { lines }: Lines, colours: Colours, range: { current: [number, number] }, setAt: (at: number | null) => void,
  zoom: (stretch: Stretch | null) => void): uPlot.Options {
  const axis = { stroke: colours.text, grid: { stroke: colours.grid, width: 1 }, ticks: { stroke: colours.grid, width: 1 }, font: '11px system-ui' };
  return {
    width: Math.max(120, width),
    height: Height,
    legend: { show: false },
    cursor: { sync: { key: Sync.key }, drag: { x: true, y: false, setScale: false }, bind: { dblclick: () => () => (zoom(null), null) }, points: { size: 6 } },
    scales: {
      x: { time: true, range: () => range.current },
      y: { range: (_, low, high) => [Math.min(0, low ?? 0), high === null || high <= 0 ? 1 : high * 1.08] },
    },
    axes: [axis, { ...axis, size: 56, values: (_, splits) => splits.map(split => formatNumber(split)) }],
    series: [
      {},
      ...lines.map(line => ({
        label: line.label, stroke: colours.line(line.colour), width: line.colour < 0 ? 2 : 1.4, spanGaps: true, points: { show: line.values.length < 3 },
      })),
    ],
    hooks: {
      setSelect: [chart => {
        const { left, width: across } = chart.select;
        if (across < 4) return;
        zoom({ from: chart.posToVal(left, 'x'), to: chart.posToVal(left + across, 'x') });
        chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      }],
      setCursor: [chart => {
        const at = chart.cursor.idx ?? null;
        setAt(at);
        pointAt(at === null ? null : (chart.data[0][at] ?? null));
      }],
    },
  };
}
