import { Chart, type Line, short } from "../chart.tsx";
import { Lines } from "../lines.tsx";
import { type Live, useLive } from "../live.ts";
import type { ViewProps } from "../page.tsx";

const MB = 1024 * 1024;

/** What the gateway does now, and did in the last minutes. */
export function Now({ about }: ViewProps) {
  const { live, problem } = useLive(Math.ceil(about.historyMs / 1000));
  const { times } = live;
  return (
    <>
      <p role="status" class={problem ? "problem" : "hidden"}>
        {problem}
      </p>
      <Tiles live={live} />
      <div class="charts">
        <Chart title="Connections" times={times} lines={gauges(live, "connections ")} />
        <Chart
          title="Deliveries"
          unit="a second"
          times={times}
          lines={[rate(live, "deliveries_total", "to clients"), received(live)]}
        />
        <Chart
          title="Broadcasts"
          unit="a second, by shape"
          times={times}
          lines={rates(live, "broadcasts_total ")}
        />
        <Chart
          title="Closed connections"
          unit="a second, by reason"
          times={times}
          lines={rates(live, "connections_closed_total ")}
        />
        <Chart
          title="Event loop and CPU"
          unit="% of one core"
          times={times}
          lines={[
            gauge(live, "loop_busy", { label: "loop busy", factor: 100 }),
            { label: "CPU", values: live.rates("cpu_seconds").map((value) => value * 100) },
          ]}
        />
        <Chart
          title="Loop lag"
          unit="ms, the longest in a second"
          times={times}
          lines={[gauge(live, "loop_lag_ms", { label: "lag" })]}
        />
        <Chart
          title="Memory"
          unit="MB"
          times={times}
          lines={[
            gauge(live, "resident_bytes", { label: "resident", factor: 1 / MB }),
            gauge(live, "heap_bytes", { label: "heap", factor: 1 / MB }),
          ]}
        />
        <Chart
          title="Pressure"
          unit="connections with unsent bytes; KB unsent"
          times={times}
          lines={[
            gauge(live, "pressured_connections", { label: "connections" }),
            gauge(live, "send_buffer_bytes", { label: "KB", factor: 1 / 1024 }),
          ]}
        />
        <Chart
          title="Traffic"
          unit="KB a second"
          times={times}
          lines={[
            { label: "in", values: live.rates("received_bytes_total").map((n) => n / 1024) },
            { label: "out", values: live.rates("sent_bytes_total").map((n) => n / 1024) },
          ]}
        />
        <Chart
          title="Refused and limited"
          unit="a second, by reason"
          times={times}
          lines={[...rates(live, "handshakes_refused_total "), ...rates(live, "limited_total ")]}
        />
      </div>
      <Lines title="Warnings and errors" />
    </>
  );
}

function Tiles({ live }: { readonly live: Live }) {
  const last = (values: readonly number[]): number => values.at(-1) ?? 0;
  const sum = (prefix: string): number =>
    live.names(prefix).reduce((total, name) => total + last(live.values(name)), 0);
  const stages = live.names("overload_stage ").filter((name) => last(live.values(name)) > 0);
  const tiles = [
    ["Connections", short(sum("connections "))],
    ["Deliveries a second", short(last(live.rates("deliveries_total")))],
    ["Loop busy", `${Math.round(last(live.values("loop_busy")) * 100)} %`],
    ["Memory", `${Math.round(last(live.values("resident_bytes")) / MB)} MB`],
    ["Overload", stages.map((name) => name.split(" ")[1]).join(", ") || "none"],
  ];
  return (
    <dl class="tiles">
      {tiles.map(([name, value]) => (
        <div key={name} class="card">
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function gauge(
  live: Live,
  name: string,
  { label, factor = 1 }: { readonly label: string; readonly factor?: number },
): Line {
  return { label, values: live.values(name).map((value) => value * factor) };
}

function rate(live: Live, name: string, label: string): Line {
  return { label, values: live.rates(name) };
}

function received(live: Live): Line {
  return rate(live, "packets_received_total message", "from clients");
}

const labelOf = (name: string): string => name.split(" ").slice(1).join(", ");

function gauges(live: Live, prefix: string): Line[] {
  return live.names(prefix).map((name) => gauge(live, name, { label: labelOf(name) }));
}

function rates(live: Live, prefix: string): Line[] {
  return live.names(prefix).map((name) => rate(live, name, labelOf(name)));
}
