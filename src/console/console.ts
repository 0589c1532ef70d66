import type { Server } from "socket.io";
import type { Apply } from "../core/apply.ts";
import { FailureError } from "../core/failures.ts";
import type { AddRoute, Exchange, RouteResponse } from "../core/http.ts";
import type { Settings } from "../core/settings-shape.ts";
import { createAssets, PAGE_FILES, policyOf } from "./assets.ts";
import { EVERY_MS, type Samples, startSampler } from "./figures.ts";
import { createHistory, type History } from "./history.ts";
import type { KeptLine } from "./lines.ts";
import type { Nodes } from "./nodes.ts";
import { findSockets } from "./sockets.ts";
import { type Caller, createEventStreams, type EventStream } from "./streams.ts";
import { serveWatch } from "./watch.ts";

/** What the console needs from other rooms. */
export interface ConsoleNeeds {
  /** Adds a route that everyone may ask: the page itself, which holds nothing. */
  readonly route: AddRoute;
  /** Adds a route for callers with the right `console`. */
  guarded(path: string, serve: Serve): void;
  /** Adds a route that carries out commands, and logs them with the key's name. */
  commands(path: string): void;
  /** Returns the samples of the metrics. */
  samples(): Samples;
  /** Returns what the page shows of the gateway, and which of its views it has. */
  about(): object;
  /** The port of the clients, if it is not the page's own. */
  clientPort(): number | undefined;
  readonly apply: Apply;
  readonly nodes: Nodes;
  /** Lists the rooms of a namespace; resolves with `undefined` when it does not exist. */
  rooms(
    namespace: string,
    page: { readonly limit: number; readonly after?: string | undefined },
  ): Promise<{ readonly items: readonly object[]; readonly next?: string } | undefined>;
  readonly io: Server;
  /** Returns the latest warnings and errors. */
  lines(): readonly KeptLine[];
  /** Whether events may be watched. */
  readonly isWatchable: boolean;
}

/** Returns a response; `undefined` if the exchange has been answered otherwise. */
type Serve = (exchange: Exchange, caller: Caller) => Promise<RouteResponse | number | undefined>;

/** The console of a gateway, running. */
export interface Console {
  /** Ends all streams, and takes no more samples. */
  stop(): void;
}

/** Rooms of one page. */
const ROOMS = 50;

/** Adds the routes of the console, and begins to take samples. */
export function startConsole(settings: Settings["console"], needs: ConsoleNeeds): Console {
  const history = createHistory(Math.ceil(settings.historyMs / EVERY_MS));
  const streams = createEventStreams(settings.streamsMax);
  const viewers = new Set<(row: readonly number[]) => void>();
  const endSamples = startSampler(needs.samples, (figures) => {
    const row = history.add(figures);
    for (const show of viewers) show(row);
  });
  addPage(needs);
  needs.guarded("/console/about", async () => json(needs.about()));
  needs.guarded("/console/live", async (exchange, caller) => {
    const stream = streams.open(exchange, caller);
    if (!stream) return undefined;
    const show = showHistory(stream, history);
    viewers.add(show);
    stream.onEnd(() => viewers.delete(show));
    return 200;
  });
  needs.guarded("/console/watch", async (exchange, caller) => {
    const { io, isWatchable: isAllowed } = needs;
    const open = () => streams.open(exchange, caller);
    return serveWatch(settings, { io, open, isAllowed }, exchange.query);
  });
  addLists(needs);
  needs.commands("/console/commands");
  return {
    stop() {
      endSamples();
      streams.stop();
    },
  };
}

/** Adds the routes that answer with a list, or with one entry of it. */
function addLists(needs: ConsoleNeeds): void {
  needs.guarded("/console/sockets", async ({ query }) =>
    json(await findSockets(needs.apply, new URLSearchParams(query))),
  );
  needs.guarded("/console/socket", async ({ query }) => {
    const { namespace = "/", id = "" } = Object.fromEntries(new URLSearchParams(query));
    const found = await needs.nodes.socket(namespace, id);
    if (!found) throw new FailureError("CONSOLE_NO_SOCKET");
    return json(found);
  });
  needs.guarded("/console/nodes", async () => json(await needs.nodes.list()));
  needs.guarded("/console/lines", async () => json({ lines: needs.lines() }));
  needs.guarded("/console/rooms", async ({ query }) => {
    const { namespace = "/", after } = Object.fromEntries(new URLSearchParams(query));
    const page = await needs.rooms(namespace, { limit: ROOMS, after });
    if (!page) throw new FailureError("COMMANDS_NO_NAMESPACE", namespace.slice(0, 200));
    return json({ rooms: page.items, next: page.next });
  });
}

function addPage({ route, clientPort }: ConsoleNeeds): void {
  const serve = createAssets(() => policyOf(clientPort()));
  const paths = Object.keys(PAGE_FILES).map((name) => [`/console/${name}`, name] as const);
  for (const [path, name] of [["/console", "page.html"] as const, ...paths]) {
    route("GET", path, async (exchange) => exchange.respond(await serve(name, exchange)));
  }
}

/** Sends all rows there are; returns what sends the next, with the names that are new in it. */
function showHistory(stream: EventStream, history: History) {
  let known = history.names.length;
  stream.send("history", { names: history.names, rows: history.rows() });
  return (row: readonly number[]): void => {
    const names = history.names.slice(known);
    if (stream.send("row", { names, row })) known = history.names.length;
  };
}

function json(value: object): RouteResponse {
  const headers = { "content-type": "application/json" };
  return { status: 200, headers, body: JSON.stringify(value) };
}
