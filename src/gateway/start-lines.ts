import type { Log, LogFields, LogLevel } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";

/** One line of the log. */
export interface StartLine {
  readonly level: LogLevel;
  readonly fields: LogFields;
  readonly text: string;
}

/** What the settings do not say of a start. */
export interface StartFacts {
  /** Whether the handler module is the chat example, because nothing else was set. */
  readonly example: boolean;
  readonly production: boolean;
}

/** Logs what {@link listStartLines} returns. */
export function logStart(settings: Settings, facts: StartFacts & { readonly log: Log }): void {
  for (const { level, fields, text } of listStartLines(settings, facts)) {
    facts.log(level, fields, text);
  }
}

/** Logs that a gateway listens, and the lines of its start. */
export function logStarted(
  settings: Settings,
  facts: StartFacts & {
    readonly log: Log;
    readonly worker: object | undefined;
    readonly consoleUrl: string | undefined;
  },
  fields: { readonly port: number; readonly uws: string; readonly binary: string },
): void {
  const { log, consoleUrl } = facts;
  log("info", { component: "gateway", ...fields }, `listening on port ${fields.port}`);
  // The primary says it for all workers.
  if (!facts.worker) logStart(settings, facts);
  if (consoleUrl) log("info", { component: "console" }, `the console is at ${consoleUrl}`);
}

/** Functions that get a line of their own. */
const FUNCTIONS_SHOWN = 10;

/**
 * Returns what an operator wants to know of a gateway that starts: what handles its events, which
 * functions it calls, and who may connect. Queries of URLs are left out: they may hold keys.
 */
export function listStartLines(settings: Settings, facts: StartFacts): StartLine[] {
  return [
    ...describeModule(settings, facts),
    ...describeFunctions(settings),
    describeClients(settings, facts),
  ];
}

function describeModule({ handlers: { module } }: Settings, { example }: StartFacts): StartLine[] {
  if (module === "") return [];
  const text = example
    ? "events go to the chat example; set handlers.module or upstream.url to handle your own"
    : `events go to the module ${module}`;
  return [{ level: "info", fields: { component: "handlers", module }, text }];
}

function describeFunctions({ upstream }: Settings): StartLine[] {
  const { routes, url, namespaces } = upstream;
  const rest = url === "" ? [] : namespaces.map((namespace) => ({ namespace, event: "*", url }));
  const all = [...routes, ...rest];
  const lines = all.slice(0, FUNCTIONS_SHOWN).map(({ namespace, event, url }): StartLine => {
    const shownUrl = url.split("?", 1)[0] ?? "";
    const what = event === "*" ? "events" : `event ${event}`;
    const fields = { component: "upstream", namespace, event, url: shownUrl };
    return { level: "info", fields, text: `${what} of ${namespace} to ${shownUrl}` };
  });
  const more = all.length - lines.length;
  if (more === 0) return lines;
  const text = `and ${more} more; see upstream.routes`;
  return [...lines, { level: "info", fields: { component: "upstream", more }, text }];
}

const WHO = {
  none: "auth.mode is none: anyone who reaches this port may connect and emit any event",
  jwt: "auth.mode is jwt: clients with a valid token may connect",
  upstream: "auth.mode is upstream: a function decides on each client that connects",
} as const;

function describeClients({ auth, socket }: Settings, { production }: StartFacts): StartLine {
  const { origins, originless } = socket;
  const others = origins.includes("*") ? ["every host"] : ["this host", ...origins];
  const programs = originless ? "" : ", and nothing that sends no Origin header";
  return {
    level: production && auth.mode === "none" ? "warn" : "info",
    fields: { component: "door", mode: auth.mode, origins, originless },
    text: `${WHO[auth.mode]}; in browsers, pages of ${others.join(", ")}${programs}`,
  };
}
