import { type MetricSeries, querySeries, type Series } from '../api/metrics';

/** A line: its name, its place among the colours, and a value for each time; null = none. */
export interface Line {
  label: string;
  /** Instances keep theirs in all charts; -1 = all instances together. */
  colour: number;
  values: (number | null)[];
}

/** Lines over the same times. */
export interface Lines {
  /** Seconds since 1970, ascending. */
  times: number[];
  lines: Line[];
}

/** Series as they were read so far, and where the next reading begins. */
export interface History {
  series: MetricSeries[];
  fromMs: number;
}

/** Reads series, or only what has come since the last reading. */
export async function readHistory(
  endpoint: string, metrics: string[], spanMs: number, intervalMs: number, totalOnly: boolean, signal: AbortSignal,
  before: History | undefined): Promise<History> {
  const fromMs = Date.now() - spanMs;
  const lastMs = before?.series[0]?.total.timesMs.at(-1);
  const span = { endpoint, intervalMs, fromMs: lastMs === undefined ? Math.floor(fromMs) : Math.max(Math.floor(fromMs), lastMs) };
  const series = await querySeries(span, metrics, totalOnly, signal);
  return { series: before && lastMs !== undefined ? series.map((one, at) => join(before.series[at]!, one, fromMs)) : series, fromMs };
}

function join(before: MetricSeries, after: MetricSeries, fromMs: number): MetricSeries {
  const names = new Set([...before.instances, ...after.instances].map(({ instance }) => instance));
  const of = (list: Series[], name: string) => list.find(({ instance }) => instance === name) ?? { instance: name, timesMs: [], values: [] };
  return {
    ...after,
    total: append(before.total, after.total, fromMs),
    instances: [...names].sort().map(name => append(of(before.instances, name), of(after.instances, name), fromMs)),
  };
}

/** Points of the first up to where the second begins, then the second; what is too old goes. */
function append(before: Series, after: Series, fromMs: number): Series {
  const begin = after.timesMs[0] ?? Infinity;
  const kept = before.timesMs.flatMap((time, at) => (time >= fromMs && time < begin ? [at] : []));
  return {
    instance: after.instance,
    timesMs: [...kept.map(at => before.timesMs[at]!), ...after.timesMs],
    values: [...kept.map(at => before.values[at]!), ...after.values],
  };
}

interface LineNames {
  total: string;
  labels?: string[] | undefined;
  isShare?: boolean | undefined;
}

/** Puts series over the same times. With one instance there is one line, with more also that of all together. */
export function toLines(series: MetricSeries[], instances: string[], { total, labels, isShare }: LineNames): Lines {
  const drawn: { label: string; colour: number; series: Series }[] = labels
    ? series.map((one, at) => ({ label: labels[at]!, colour: at, series: one.total }))
    : series.flatMap(one => (one.instances.length <= 1
      ? [{ label: one.instances[0]?.instance ?? total, colour: one.instances[0] ? placeOf(one.instances[0].instance) : -1, series: one.total }]
      : [
        { label: total, colour: -1, series: one.total },
        ...one.instances.map(instance => ({ label: instance.instance, colour: placeOf(instance.instance), series: instance })),
      ]));
  const times = [...new Set(drawn.flatMap(line => line.series.timesMs))].sort((a, b) => a - b);
  const factor = isShare ? 100 : 1;
  return {
    times: times.map(time => time / 1000),
    lines: drawn.map(({ label, colour, series: { timesMs, values } }) => {
      const byTime = new Map(timesMs.map((time, at) => [time, values[at]! * factor]));
      return { label, colour, values: times.map(time => byTime.get(time) ?? null) };
    }),
  };

  function placeOf(instance: string): number {
    const place = instances.indexOf(instance);
    // One that has gone since still has the same colour in all charts.
    return place < 0 ? [...instance].reduce((sum, letter) => (31 * sum + letter.charCodeAt(0)) % 1009, instances.length) : place;
  }
}
