import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";

/** One line of a chart. */
export interface Line {
  readonly label: string;
  readonly values: readonly number[];
}

const HEIGHT = 150;
/** As many lines have a colour of their own; those with the highest last values are drawn. */
const LINES_MAX = 6;

function styleOf(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A number in few characters: `1,234`, `12.3 k`, `0.04`. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e9) return `${(value / 1e9).toFixed(1)} G`;
  if (size >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (size >= 1e4) return `${(value / 1e3).toFixed(1)} k`;
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en");
  return value.toFixed(size >= 1 ? 1 : 2);
}

/** A chart over time, with its last values in words. */
export function Chart({
  title,
  unit = "",
  times,
  lines: all,
}: {
  readonly title: string;
  readonly unit?: string;
  readonly times: readonly number[];
  readonly lines: readonly Line[];
}) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | undefined>(undefined);
  const lines = choose(all);
  // A chart with other lines is drawn anew.
  const labels = lines.map(({ label }) => label).join("\n");
  const data = [times, ...lines.map(({ values }) => values)] as unknown as UPlot.AlignedData;

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new UPlot(optionsOf(lines.length, element), data, element);
    };
    draw();
    const resized = new ResizeObserver(() => {
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    resized.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    return () => {
      resized.disconnect();
      dark.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [labels]);
  useEffect(() => void plot.current?.setData(data), [times]);

  return (
    <section class="card chart" aria-label={title}>
      <h2>
        {title} {unit && <small>{unit}</small>}
      </h2>
      <div ref={place} aria-hidden="true" />
      <ul class="legend">
        {lines.map(({ label, values }, at) => (
          <li key={label} class={`line${at + 1}`}>
            {label} <b>{short(values.at(-1) ?? 0)}</b>
          </li>
        ))}
        {lines.length === 0 && <li>nothing yet</li>}
      </ul>
    </section>
  );
}

/** The lines to draw, in the order in which they came: those that end highest. */
function choose(all: readonly Line[]): readonly Line[] {
  if (all.length <= LINES_MAX) return all;
  const highest = (line: Line) => Math.max(...line.values.slice(-300));
  const kept = new Set(all.toSorted((a, b) => highest(b) - highest(a)).slice(0, LINES_MAX));
  return all.filter((line) => kept.has(line));
}

function optionsOf(lineCount: number, element: HTMLElement): UPlot.Options {
  const axis = {
    stroke: styleOf("--soft"),
    grid: { stroke: styleOf("--rule"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui",
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { points: { size: 5 }, drag: { x: false, y: false } },
    scales: { y: { range: (_, __, highest) => [0, Math.max(highest * 1.1, 1)] } },
    axes: [
      { ...axis, size: 26, values: (_, ticks) => ticks.map(clock) },
      { ...axis, size: 52, values: (_, ticks) => ticks.map(short) },
    ],
    series: [
      {},
      ...Array.from({ length: lineCount }, (_, at) => ({
        stroke: styleOf(`--line${at + 1}`),
        width: 1.5,
        points: { show: false },
      })),
    ],
  };
}

function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB");
}
