import { ago, useAsked } from "../asked.ts";
import { short } from "../chart.tsx";
import { get, getText } from "../gateway.ts";
import { bound, quantile, readMetrics, sum } from "../metrics.ts";
import type { ViewProps } from "../page.tsx";
import { Facts, Problem, Table } from "../parts.tsx";

interface NodeRow {
  readonly name: string;
  readonly version: string;
  readonly startedAt: number;
  readonly connections: number;
  readonly residentBytes: number;
  readonly namespaces: readonly { name: string; sockets: number; rooms: number }[];
}

const EVERY_MS = 3000;

/** All nodes, what they hold, and how the way between them is. */
export function Cluster({ about }: ViewProps) {
  const { value, problem } = useAsked(
    () => get<{ nodes: NodeRow[]; whole: boolean; answeredMs?: number }>("console/nodes"),
    "nodes",
    EVERY_MS,
  );
  return (
    <>
      <section class="card" aria-label="Nodes">
        <h2>
          Nodes{" "}
          {value?.answeredMs !== undefined && <small>answered within {value.answeredMs} ms</small>}
        </h2>
        <Problem text={problem} />
        {value?.whole === false && <Problem text="Not all nodes have answered." />}
        <Table
          label="List of nodes"
          heads={["Node", "Version", "Runs for", "Connections", "Memory", "Holds"]}
        >
          {value?.nodes.map((node, at) => (
            <tr key={node.name}>
              <td class="code">
                {node.name}
                {at === 0 && " (answers here)"}
              </td>
              <td>{node.version}</td>
              <td>{ago(Date.now() - node.startedAt)}</td>
              <td class="number">{short(node.connections)}</td>
              <td class="number">{Math.round(node.residentBytes / 1024 / 1024)} MB</td>
              <td>
                {node.namespaces.map(({ name, sockets, rooms }) => (
                  <div key={name}>
                    <code>{name}</code> {short(sockets)} sockets, {short(rooms)} rooms
                  </div>
                ))}
              </td>
            </tr>
          ))}
        </Table>
      </section>
      <Bus path={about.metricsPath} />
    </>
  );
}

function Bus({ path }: { readonly path: string }) {
  const { value = [], problem } = useAsked(
    async () => readMetrics(await getText(path.slice(1))),
    "bus",
    EVERY_MS,
  );
  const lag = (share: number): string =>
    bound(quantile(value, { name: "sluice_cluster_lag_seconds", wanted: {}, share }));
  const total = (name: string, wanted?: Record<string, string>): string =>
    short(sum(value, `sluice_cluster_${name}`, wanted));
  const facts: readonly (readonly [string, string])[] = [
    ["Reached", sum(value, "sluice_cluster_redis_up") > 0 ? "yes" : "no"],
    ["Leases of nodes", total("nodes")],
    ["Leases taken over", total("leases_taken_total")],
    ["Lag of the bus, half within", lag(0.5)],
    ["Lag of the bus, 99 % within", lag(0.99)],
    ["Messages sent", total("messages_total", { direction: "out" })],
    ["Messages received", total("messages_total", { direction: "in" })],
    ["Gaps", total("gaps_total")],
    ["Reconnects", total("reconnects_total")],
    ["Errors", total("errors_total")],
  ];
  return (
    <section class="card" aria-label="Between nodes">
      <h2>
        Between nodes <small>since this node's start</small>
      </h2>
      <Problem text={problem} />
      <Facts of={facts} />
    </section>
  );
}
