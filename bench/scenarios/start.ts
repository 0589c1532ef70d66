/**
 * Question: how long from starting the process until it accepts a connection?
 * Load:     one process at a time, files already in the page cache; the clock stops when a TCP
 *           connect to its port succeeds.
 * Control:  Node's own http server; stock Socket.IO on both servers.
 * Not for:  the first start after boot or in a fresh container, which reads from disk.
 */
import { join } from "node:path";
import { ROOT } from "../rig/build.ts";
import { judgePairs } from "../rig/context.ts";
import { PAIRS_MIN } from "../rig/estimate.ts";
import type { Context, Scenario } from "../rig/scenario.ts";
import { timeToListening } from "../rig/start.ts";

async function run(context: Context): Promise<void> {
  const blocks = context.options.number("rounds", { quick: 1, short: 5, full: 10 });
  for (const flag of judgePairs(blocks * 2, PAIRS_MIN)) context.flag(flag);
  const plain = context.script("start-plain");
  const built = context.gateway("ours");
  // The benchmark's own handlers would load an HTTP client, which no control does.
  const handler = join(built, "examples", "chat.js");
  const commands: Readonly<Record<string, (port: number) => string[]>> = {
    node: (port) => [plain, "node", `${port}`],
    "stock-uws": (port) => [plain, "stock-uws", `${port}`],
    "stock-ws": (port) => [plain, "stock-ws", `${port}`],
    ours: (port) => [join(built, "main.js"), ...flags(port, handler)],
    "ours by tsx": (port) => [
      "--import",
      "tsx",
      join(ROOT, "src", "main.ts"),
      ...flags(port, handler),
    ],
  };
  const subjects = context.options.words("against", Object.keys(commands));
  // Once before: from Node.js 22.8 on, ours keeps compiled code for its next start.
  for (const command of subjects.flatMap((subject) => commands[subject] ?? []))
    await timeToListening(command, context);
  for (const { subject, pair } of context.interleave(subjects, blocks)) {
    context.say(`start: ${subject}, ${pair + 1} of ${blocks * 2}`);
    const command = commands[subject];
    if (command === undefined) continue;
    const ms = await timeToListening(command, context);
    context.record({ subject, pair, params: {}, values: { listening_ms: ms } });
  }
}

function flags(port: number, handler: string): string[] {
  return [
    ...["--socket.host", "127.0.0.1", "--socket.port", `${port}`],
    ...["--handlers.module", handler, "--log.level", "silent"],
  ];
}

/** Time to listening. */
export const scenario: Scenario = {
  name: "start",
  question: "How long from starting the process until it accepts a connection?",
  metrics: [
    {
      name: "listening_ms",
      unit: "ms",
      better: "lower",
      text: "From spawning the process to the first TCP connection it accepts.",
      ratio: true,
    },
  ],
  seconds: { quick: 4, short: 16, full: 30 },
  run,
};
