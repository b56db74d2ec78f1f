import { useEffect, useRef, useState } from 'preact/hooks';
import type { HeatMap } from '../api/metrics';
import { formatLatency, formatWhole } from '../format';
import { useStore } from '../state/store';
import { useColours } from './colours';
import { cursor, pointAt } from './cursor';

const Height = 170;
const Left = 56;
const Bottom = 22;

interface HeatMapChartProps {
  map: HeatMap;
  from: number;
  to: number;
}

/** How latencies lay over time: the darker a cell, the more requests took so long then. */
export function HeatMapChart({ map, from, to }: HeatMapChartProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const colours = useColours();
  const { time } = useStore(cursor);
  const [width, setWidth] = useState(0);
  const [told, setTold] = useState('');

  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    observer.observe(canvas.current!.parentElement!);
    return () => observer.disconnect();
  }, []);

  const bounds = map.upperBoundsMs;
  const most = Math.max(1, ...map.columns.flatMap(column => column.counts));
  const total = map.columns.reduce((sum, column) => sum + column.counts.reduce((a, b) => a + b, 0), 0);
  const xOf = (seconds: number) => Left + ((seconds - from) / (to - from)) * (width - Left);
  const rowHeight = (Height - Bottom) / Math.max(1, bounds.length);

  useEffect(() => {
    const element = canvas.current!;
    const ratio = devicePixelRatio;
    element.width = Math.max(1, width * ratio);
    element.height = Height * ratio;
    const draw = element.getContext('2d')!;
    draw.scale(ratio, ratio);
    draw.font = '11px system-ui';
    draw.fillStyle = colours.text;
    draw.textAlign = 'right';
    draw.textBaseline = 'middle';
    const step = Math.max(1, Math.ceil(14 / rowHeight));
    bounds.forEach((bound, row) => {
      if (row % step === 0) draw.fillText(formatLatency(bound), Left - 8, Height - Bottom - (row + 0.5) * rowHeight);
    });
    draw.textAlign = 'center';
    for (let tick = 1; tick < 5; tick++) {
      const at = from + ((to - from) * tick) / 5;
      const text = new Date(at * 1000).toLocaleString([], to - from > 90_000 ? { month: 'numeric', day: 'numeric' } : { hour: '2-digit', minute: '2-digit' });
      draw.fillText(text, xOf(at), Height - 8);
    }
    draw.fillStyle = colours.line(0);
    for (const column of map.columns) {
      const x = xOf(column.timeMs / 1000);
      const across = Math.max(1.5, xOf((column.timeMs + map.intervalMs) / 1000) - x - 0.5);
      column.counts.forEach((count, row) => {
        if (count === 0 || x + across < Left) return;
        draw.globalAlpha = 0.12 + 0.88 * (Math.log1p(count) / Math.log1p(most));
        draw.fillRect(Math.max(Left, x), Height - Bottom - (row + 1) * rowHeight + 0.5, across, Math.max(1, rowHeight - 1));
      });
    }
    draw.globalAlpha = 1;
    if (time !== null) {
      draw.fillStyle = colours.text;
      draw.fillRect(xOf(time), 0, 1, Height - Bottom);
    }
  }, [map, width, colours.isDark, from, to, time]);

  function onMove(event: PointerEvent): void {
    const box = canvas.current!.getBoundingClientRect();
    const seconds = from + ((event.clientX - box.left - Left) / (width - Left)) * (to - from);
    const row = Math.floor((Height - Bottom - (event.clientY - box.top)) / rowHeight);
    const column = map.columns.find(one => seconds * 1000 >= one.timeMs && seconds * 1000 < one.timeMs + map.intervalMs);
    pointAt(column ? column.timeMs / 1000 : null);
    setTold(column && row >= 0 && row < bounds.length
      ? `${new Date(column.timeMs).toLocaleTimeString()}: ${formatWhole(column.counts[row] ?? 0)} requests from ${formatLatency(row > 0 ? bounds[row - 1]! : 0)} to ${formatLatency(bounds[row]!)} ms`
      : '');
  }

  return (
    <>
      <div class="plot">
        <canvas
          ref={canvas} role="img" aria-label={`Latencies over time. ${formatWhole(total)} requests in ${map.columns.length} columns.`}
          style={{ width: '100%', height: `${Height}px` }} onPointerMove={onMove} onPointerLeave={() => {
            pointAt(null);
            setTold('');
          }} />
      </div>
      <p class="legend soft">{told || `${formatWhole(total)} requests`}</p>
    </>
  );
}
