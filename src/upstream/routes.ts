import type { CallKind } from "../core/call.ts";
import { createGlobs, globToRegExp } from "../core/glob.ts";
import { type SettingProblem, type Settings, SettingsError, showValue } from "../core/settings.ts";
import { encodeSegment } from "./percent.ts";

/** Where calls of one row of the settings go. */
export interface Route {
  /** Names it in metrics, logs and dead letters; no other route has it. */
  readonly name: string;
  /** Scheme, host and port. */
  readonly origin: string;
  /** The URL as it was set. */
  readonly url: string;
  /** The same without its query, which may hold a key. */
  readonly shownUrl: string;
  readonly batch: boolean;
  /** Whether its calls show the rooms of their socket. */
  readonly rooms: boolean;
  /** Whether they show how many sockets are in these. */
  readonly presence: boolean;
  /** Path and query for a namespace and an event; `undefined` when a name fits in no path. */
  path(namespace: string, event: string): string | undefined;
}

/** Finds the route of a call; the name of connects and disconnects is their kind. */
export interface Routes {
  find(kind: CallKind, namespace: string, event: string): Route | undefined;
  /** Whether any route is about this namespace. */
  claims(namespace: string): boolean;
  /** Namespaces that routes name, and the patterns of those that they do not name. */
  readonly namespaces: { readonly names: readonly string[]; readonly patterns: readonly RegExp[] };
  readonly all: readonly Route[];
  named(name: string): Route | undefined;
}

interface Rule {
  readonly route: Route;
  matches(kind: CallKind, namespace: string, event: string): boolean;
  claims(namespace: string): boolean;
}

type UpstreamSettings = Settings["upstream"];

/**
 * Returns the routes of the settings: the rows of `upstream.routes` in their order, then
 * `upstream.url`.
 *
 * Throws {@link SettingsError} for URLs that are none, that hold a template outside of their path,
 * a password, or plain HTTP beyond this machine without `upstream.insecure`; and for namespaces
 * that cannot be: Socket.IO would make `chat` the namespace `/chat`, which no function would answer
 * for.
 */
export function readRoutes(settings: UpstreamSettings): Routes {
  const problems: SettingProblem[] = [];
  const names = nameRoutes(settings, problems);
  const rules: Rule[] = [];
  const add = (at: string, given: GivenRoute, rule: Omit<Rule, "route">) => {
    const route = readRoute(at, given, settings, problems);
    if (route) rules.push({ route, ...rule });
  };
  for (const [index, row] of settings.routes.entries()) {
    const { namespace, event, url, connected } = row;
    const { batch = settings.batch, rooms = settings.rooms, presence = settings.presence } = row;
    const at = `upstream.routes.${index}`;
    checkNamespace(`${at}.namespace`, namespace, problems);
    const isNamespace = createGlobs([namespace]);
    const isEvent = createGlobs([event]);
    add(
      `${at}.url`,
      { url, batch, rooms, presence, name: names[index] ?? "" },
      {
        matches(kind, nsp, name) {
          if (!isNamespace(nsp)) return false;
          // A client's event may have the name, and functions of before do not know the call.
          return kind === "connected"
            ? connected === true
            : isEvent(kind === "event" ? name : kind);
        },
        claims: isNamespace,
      },
    );
  }
  if (settings.url !== "") {
    settings.namespaces.forEach((name) => {
      checkNamespace("upstream.namespaces", name, problems);
    });
    const isNamespace = createGlobs(settings.namespaces);
    const calls = new Set<CallKind>(settings.calls);
    add(
      "upstream.url",
      { ...settings, name: DEFAULT_NAME },
      { matches: (kind, nsp) => calls.has(kind) && isNamespace(nsp), claims: isNamespace },
    );
  }
  if (problems.length > 0) throw new SettingsError(problems);
  const all = rules.map(({ route }) => route);
  return {
    find: (kind, nsp, event) => rules.find((rule) => rule.matches(kind, nsp, event))?.route,
    claims: (nsp) => rules.some((rule) => rule.claims(nsp)),
    all,
    named: (name) => all.find((route) => route.name === name),
    namespaces: readNamespaces(settings),
  };
}

/** Name of the route of `upstream.url`. */
const DEFAULT_NAME = "default";
/** What a derived name takes of its row, so that a number fits behind it. */
const DERIVED_CHARS_MAX = 56;

/**
 * Returns the names of the rows of `upstream.routes`: those that are set, else one made of
 * namespace and event, with the row's number where that is taken.
 */
function nameRoutes({ routes }: UpstreamSettings, problems: SettingProblem[]): string[] {
  const taken = new Set([DEFAULT_NAME]);
  for (const [index, { name }] of routes.entries()) {
    if (name === undefined) continue;
    const [path, value] = [`upstream.routes.${index}.name`, JSON.stringify(name)];
    if (taken.has(name)) problems.push({ path, value, bound: "must be a name of its own" });
    taken.add(name);
  }
  return routes.map(({ name, namespace, event }, index) => {
    if (name !== undefined) return name;
    const plain = `${namespace} ${event}`.toLowerCase().replace(/[^a-z0-9_]+/g, "-");
    const derived = plain.slice(0, DERIVED_CHARS_MAX).replace(/^-+|-+$/g, "") || "all";
    const free = taken.has(derived) ? `${derived}-${index + 1}` : derived;
    taken.add(free);
    return free;
  });
}

function checkNamespace(path: string, name: string, problems: SettingProblem[]): void {
  if (/^[/*]/.test(name)) return;
  problems.push({ path, value: JSON.stringify(name), bound: "must begin with / or *" });
}

function readNamespaces({ url, namespaces, routes }: UpstreamSettings): Routes["namespaces"] {
  const all = [...routes.map(({ namespace }) => namespace), ...(url === "" ? [] : namespaces)];
  const patterns = all.filter((name) => name.includes("*"));
  return {
    names: all.filter((name) => !name.includes("*")),
    patterns: patterns.map(globToRegExp),
  };
}

/** What the settings say of a route. */
type GivenRoute = Pick<Route, "url" | "batch" | "rooms" | "presence" | "name">;

function readRoute(
  at: string,
  given: GivenRoute,
  { insecure }: UpstreamSettings,
  problems: SettingProblem[],
): Route | undefined {
  const wrong = (bound: string) => {
    problems.push({ path: at, value: showValue(given.url), bound });
    return undefined;
  };
  // Braces would be percent-encoded by the URL parser: letters take the templates' places.
  const marked = given.url
    .replaceAll("{namespace}", "__NAMESPACE__")
    .replaceAll("{event}", "__EVENT__");
  if (!URL.canParse(marked)) return wrong("must be a URL");
  const url = new URL(marked);
  if (url.protocol !== "https:" && url.protocol !== "http:") return wrong("must be http or https");
  if (url.username !== "" || url.password !== "") return wrong("must not hold a password");
  if (/__(NAMESPACE|EVENT)__/i.test(url.host + url.search)) {
    return wrong("may hold {namespace} and {event} in its path alone");
  }
  if (url.protocol === "http:" && !insecure && !isLoopback(url.hostname)) {
    return wrong("must be https, or http on this machine, unless upstream.insecure is set");
  }
  const { name, batch, rooms, presence } = given;
  return {
    ...{ name, batch, rooms, presence },
    origin: url.origin,
    url: given.url,
    shownUrl: given.url.replace(/\?.*$/s, ""),
    path: createPath(url.pathname, url.search),
  };
}

function createPath(pathname: string, search: string): Route["path"] {
  // Cut once, so that no name of a client can hold a template for the other one.
  const pieces = pathname.split(/(__NAMESPACE__|__EVENT__)/);
  return (namespace, event) => {
    let path = "";
    for (const piece of pieces) {
      const name =
        piece === "__NAMESPACE__" ? namespace : piece === "__EVENT__" ? event : undefined;
      const text = name === undefined ? piece : encodeSegment(name);
      if (text === undefined) return undefined;
      path += text;
    }
    return path + search;
  };
}

function isLoopback(hostname: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}
