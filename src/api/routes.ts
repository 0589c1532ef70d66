import type { CommandName } from "../core/command.ts";
import { COMMAND_NAMES } from "../core/commands.ts";
import type { FailureCode } from "../core/failures.ts";
import type { Exchange, HttpMethod, RouteResponse } from "../core/http.ts";
import type { TraceContext } from "../core/trace.ts";

/** One route. The docs show and the API serves exactly these rows. */
export interface RouteRow {
  readonly method: HttpMethod;
  readonly path: string;
  /** Label in metrics. The operation id in the OpenAPI document is made of it. */
  readonly name: RouteName;
  readonly kind: "command" | "commands" | "presence" | "deadletters" | "page";
  readonly text: string;
  /** Failures it can answer with, besides those of its kind. */
  readonly failures: readonly FailureCode[];
}

/**
 * Returns the response. A bare status means that the handler has responded already, `undefined`
 * that the client has gone. `parent` is what commands are caused by, for traces.
 */
export type Handler = (
  exchange: Exchange,
  parent: TraceContext | undefined,
) => Promise<RouteResponse | number | undefined>;

/** The names of the routes. A closed set, because metrics have them as labels. */
export type RouteName =
  | CommandName
  | "commands"
  | "rooms"
  | "sockets"
  | "deadLetters"
  | "replay"
  | "routes"
  | "revive"
  | "metrics"
  | "healthz"
  | "readyz"
  | "openapi"
  | "console";

/** Failures of every route that needs a key. */
const KEYED = ["API_NO_KEY", "API_UNAUTHENTICATED", "API_FORBIDDEN"] as const;
const ANY = ["API_INTERNAL", "API_BAD_METHOD"] as const;
const BODY = [
  "API_BAD_TYPE",
  "API_BAD_ENCODING",
  "API_BAD_BODY",
  "API_BODY_TOO_LARGE",
  "API_BODY_TOO_SLOW",
  "API_BUSY",
] as const;
const CARRIED_OUT = [
  "API_NOT_READY",
  "API_STOPPING",
  "COMMANDS_NO_NAMESPACE",
  "COMMANDS_FAILED",
] as const;
const ONCE = [
  "API_KEY_REUSED",
  "API_BAD_IDEMPOTENCY_KEY",
  "API_IDEMPOTENCY_FULL",
  "API_ANSWER_NOT_KEPT",
] as const;

/** Failures that every route of a kind can answer with. */
export const KIND_FAILURES: Readonly<Record<RouteRow["kind"], readonly FailureCode[]>> = {
  command: [...ANY, ...KEYED, ...BODY, "COMMANDS_BAD", ...CARRIED_OUT, ...ONCE],
  commands: [...ANY, ...KEYED, ...BODY, "COMMANDS_BAD", ...CARRIED_OUT, ...ONCE],
  presence: [...ANY, ...KEYED, "API_BAD_QUERY", "COMMANDS_BUSY", ...CARRIED_OUT],
  deadletters: [...ANY, ...KEYED, "API_NO_UPSTREAM"],
  page: [...ANY],
};

const COMMAND_TEXTS: Readonly<Record<CommandName, string>> = {
  emit: "Emits an event to rooms, sockets, or everyone.",
  emitWithAck: "Emits an event, waits for acknowledgements, and answers with them.",
  socketsJoin: "Makes the matching sockets join rooms.",
  socketsLeave: "Makes the matching sockets leave rooms.",
  disconnectSockets: "Disconnects the matching sockets.",
  fetchSockets: "Lists the matching sockets, page by page.",
  serverSideEmit: "Emits an event to the other nodes of the cluster.",
  cancel: "Cancels a delayed command by its key.",
};

const DELAYED = ["COMMANDS_DELAYED_FULL", "COMMANDS_DELAYED_AWAY"] as const;

const COMMAND_FAILURES: Partial<Record<CommandName, readonly FailureCode[]>> = {
  emit: DELAYED,
  socketsJoin: DELAYED,
  socketsLeave: DELAYED,
  disconnectSockets: DELAYED,
  emitWithAck: ["COMMANDS_TOO_MANY_SOCKETS", "COMMANDS_ACKS_FULL", "COMMANDS_BUSY"],
  fetchSockets: ["COMMANDS_BUSY"],
  serverSideEmit: ["COMMANDS_NO_CLUSTER", ...DELAYED],
  cancel: ["COMMANDS_DELAYED_AWAY"],
};

const LIST_ROUTES: readonly RouteRow[] = [
  {
    method: "GET",
    path: "/v1/rooms",
    name: "rooms",
    kind: "presence",
    text: "Lists the rooms of a namespace with their sizes, page by page.",
    failures: [],
  },
  {
    method: "GET",
    path: "/v1/sockets",
    name: "sockets",
    kind: "presence",
    text: "Lists the sockets of a namespace, or of some of its rooms, page by page.",
    failures: [],
  },
  {
    method: "GET",
    path: "/v1/deadletters",
    name: "deadLetters",
    kind: "deadletters",
    text: "Lists dead letters, page by page: calls to functions that failed on their last attempt.",
    failures: ["API_BAD_QUERY"],
  },
  {
    method: "POST",
    path: "/v1/deadletters",
    name: "replay",
    kind: "deadletters",
    text: "Makes the calls of dead letters again.",
    failures: BODY,
  },
  {
    method: "GET",
    path: "/v1/routes",
    name: "routes",
    kind: "deadletters",
    text: "Lists the routes to functions, and which are paused because their function answered 410.",
    failures: [],
  },
  {
    method: "POST",
    path: "/v1/routes/revive",
    name: "revive",
    kind: "deadletters",
    text: "Ends the pause of routes whose function answered 410, at this node.",
    failures: BODY,
  },
];

/** Returns every route. The path of the metrics is a setting. */
export function listRoutes(metricsPath: string): readonly RouteRow[] {
  const page = (name: RouteName, path: string, text: string): RouteRow => ({
    ...{ method: "GET", kind: "page", failures: [], name, path, text },
  });
  return [
    {
      method: "POST",
      path: "/v1/commands",
      name: "commands",
      kind: "commands",
      text: "Carries out one command, a list of commands, or a stream of lines with either.",
      failures: [
        "COMMANDS_HELD_FULL",
        "COMMANDS_TOO_MANY_LISTED",
        ...COMMAND_NAMES.flatMap((name) => COMMAND_FAILURES[name] ?? []),
      ],
    },
    ...COMMAND_NAMES.map(commandRoute),
    ...LIST_ROUTES,
    page("metrics", metricsPath, "Returns the metrics for Prometheus."),
    page("healthz", "/healthz", "Answers while the process runs (liveness)."),
    page(
      "readyz",
      "/readyz",
      "Says whether the gateway takes new connections (readiness); 503 with the reason if not.",
    ),
    page("openapi", "/v1/openapi.json", "Returns this API as an OpenAPI 3.1 document."),
  ];
}

function commandRoute(name: CommandName): RouteRow {
  const isHeld = name !== "emitWithAck" && name !== "fetchSockets" && name !== "cancel";
  return {
    method: "POST",
    path: `/v1/${name}`,
    name,
    kind: "command",
    text: COMMAND_TEXTS[name],
    failures: [
      ...(isHeld ? (["COMMANDS_HELD_FULL"] as const) : []),
      ...(COMMAND_FAILURES[name] ?? []),
    ],
  };
}
