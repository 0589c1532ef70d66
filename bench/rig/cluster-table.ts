import { type Costs, costRows, readCosts, tableOf } from "../scenarios/scale.ts";
import type { Section } from "./readme.ts";
import { fileStem, type Result } from "./results.ts";
import type { Round } from "./scenario.ts";
import { formatNumber, formatRatio, markdown, orderSubjects } from "./table.ts";

type Params = Round["params"];

/** A figure of a row of `cluster`, in words. */
interface Told {
  readonly row: string;
  readonly metric: string;
  readonly words: (params: Params) => string;
}

const TOLD: readonly Told[] = [
  {
    ...{ row: "away", metric: "away_share" },
    words: ({ rate }) =>
      `CPU of a node without members, while another broadcasts ${count(rate)} a second`,
  },
  { row: "idle", metric: "idle_share", words: () => "The same, while no node broadcasts" },
  {
    ...{ row: "away", metric: "away_messages_per_broadcast" },
    words: () => "Messages that such a node receives per broadcast of another node",
  },
  {
    ...{ row: "publish", metric: "publisher_cpu_us_per_broadcast" },
    words: ({ frames }) =>
      `CPU of the node that broadcasts, to one member, ${count(frames)} in a turn`,
  },
  {
    ...{ row: "publish", metric: "redis_cpu_us_per_broadcast" },
    words: ({ frames }) => `CPU of Redis per broadcast, ${count(frames)} in a turn`,
  },
  {
    ...{ row: "latency", metric: "p50_us" },
    words: ({ rate }) =>
      `From broadcast to a member on the other node, ${count(rate)} a second: p50`,
  },
  { row: "latency", metric: "p99_us", words: () => "The same: p99" },
  {
    ...{ row: "shared", metric: "cpu_us_per_delivery" },
    words: ({ room }) => `CPU per delivery, a room of ${count(room)}, half on each of two nodes`,
  },
  {
    ...{ row: "union", metric: "far_cpu_us_per_broadcast" },
    words: ({ rooms }) =>
      `CPU of the node with the members, a union of ${count(rooms)} rooms or one room`,
  },
  {
    ...{ row: "union", metric: "redis_cpu_us_per_broadcast" },
    words: () => "CPU of Redis for the same",
  },
  {
    ...{ row: "nodes", metric: "cpu_us_per_delivery" },
    words: ({ room }) => `CPU per delivery, each node with its own rooms of ${count(room)}`,
  },
  {
    ...{ row: "redis", metric: "redis_cpu_us_per_broadcast" },
    words: () => "CPU of Redis per broadcast to a room on one of this many nodes",
  },
  {
    ...{ row: "redis", metric: "redis_bytes_per_broadcast" },
    words: () => "Bytes that Redis sends for the same",
  },
  {
    ...{ row: "workers", metric: "cpu_us_per_delivery" },
    words: ({ room }) => `CPU per delivery, each worker with its own rooms of ${count(room)}`,
  },
  {
    ...{ row: "own-rooms", metric: "redis_bytes_per_channel" },
    words: () => "Memory of Redis per subscription, such as a socket's own room",
  },
  {
    ...{ row: "own-rooms", metric: "heard_again_ms" },
    words: ({ rooms }) =>
      `Until ${count(rooms)} subscriptions work again after the connection was lost`,
  },
];

const LABELS: Readonly<Record<string, string>> = {
  ours: "Sluice",
  stock: "stock's nodes",
  "no redis": "without Redis",
};

const labelOf = (subject: string) => LABELS[subject] ?? subject;
const count = (value: string | number | undefined) =>
  typeof value === "number" ? formatNumber(value) : String(value);

/** Returns the rows of `cluster` in words: what, the figures of its subjects, ratios to others. */
function clusterRows(result: Result): string[][] {
  return TOLD.flatMap(({ row, metric, words }) => {
    const own = result.summaries.filter((s) => s.metric === metric && s.params.row === row);
    const cases = new Map(own.map((one) => [JSON.stringify(one.params), one.params]));
    return [...cases].map(([key, params]) => {
      const isOne = (one: { params: Params }) => JSON.stringify(one.params) === key;
      const baseline = result.estimates.find(isOne)?.subject ?? result.scenario.baseline;
      const found = own.filter(isOne);
      const subjects = orderSubjects(
        found.map((one) => one.subject),
        baseline,
      );
      const figures = subjects
        .flatMap((subject) => found.find((one) => one.subject === subject) ?? [])
        .map(({ subject, median, unit, valid }) =>
          [labelOf(subject), figureOf(metric, median, unit), valid === false ? "_void_" : ""]
            .filter((word) => word !== "")
            .join(" "),
        );
      const ratios = result.estimates
        .filter((one) => isOne(one) && one.metric === metric)
        .sort((a, b) => subjects.indexOf(a.against) - subjects.indexOf(b.against))
        .map((one) => `${labelOf(one.subject)} ÷ ${labelOf(one.against)} ${formatRatio(one)}`);
      return [words(params), figures.join(", "), ratios.join(", ") || "–"];
    });
  });
}

function figureOf(metric: string, value: number, unit: string): string {
  if (metric.endsWith("_share")) return `${(value * 100).toFixed(1)} %`;
  return `${formatNumber(value)} ${unit}`.trim();
}

/** What a core of Redis appends in a second, with so many of them in a call, and pushes to one node. */
function perCore(costs: Costs, together: number): string {
  const { redisCallUs, redisAppendUs, redisPushUs } = costs;
  const each = 1e6 / (redisCallUs / together + redisAppendUs + redisPushUs);
  return formatNumber(Number(each.toPrecision(2)));
}

/** Returns the figures of docs/scaling.md: what was measured, and what follows for many nodes. */
export function makeScalingBlock(section: Section | undefined, folder: string): string {
  if (section === undefined || !section.result.rounds.some(({ params }) => params.row))
    return "No results yet: `npm run bench -- cluster`, then `npm run bench -- report`.";
  const { result, file, charts } = section;
  const { env } = result;
  const { costs, assumed } = readCosts(result);
  const pictures = charts
    .filter(({ name }) => name === "nodes" || name === "scale")
    .map(({ name, title }) => `![${title}](${folder}/${fileStem(result)}-${name}.svg)\n`);
  return [
    "### Measured",
    "",
    `[${result.started_at.slice(0, 10)}](${folder}/${file}) at commit ` +
      `\`${result.git.commit.slice(0, 7)}\` on ${env.cpu_model}, ${env.cores} cores that servers, ` +
      `Redis and clients share, Node ${env.node}. The 95 % interval is in parentheses; \`?\` marks ` +
      `a ratio that is not significant.${result.valid ? "" : " **Not valid**: see the flags in the file."}`,
    "",
    ...markdown([["What", "Figures", "Ratios"], ...clusterRows(result)]),
    "",
    "### Extrapolated",
    "",
    "Broadcasts a second that this number of nodes can carry. The limit that comes first is in " +
      "parentheses: `nodes` is the CPU of the nodes; `appends` and `pushes` are Redis' one thread; " +
      "`Redis' network` and `nodes' network` are the links.",
    "",
    ...markdown(tableOf(costs)),
    "",
    `With rooms that are on one node each, one core of Redis can carry about ${perCore(costs, 1)} ` +
      `broadcasts a second if each is a call, and ${perCore(costs, 20)} if twenty share a call.`,
    "",
    "Computed from these costs:",
    "",
    ...markdown([["Cost", "Value"], ...costRows(costs, assumed)]),
    "",
    ...pictures,
  ].join("\n");
}
