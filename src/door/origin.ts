import { createGlobs } from "../core/glob.ts";
import { type SettingProblem, type Settings, SettingsError } from "../core/settings.ts";

/** The parts of a request that its check reads. */
export interface OriginRequest {
  readonly headers: Readonly<Record<string, string>>;
}

type ResponseHeaders = readonly (readonly [string, string])[];

/** Characters of a client's header that are logged: more than any browser sends. */
const LOGGED_CHARS = 300;

/** As in stock Socket.IO's CORS. Methods that Engine.IO does not accept get a 400 later. */
const METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE";
const REQUEST_HEADERS = "Access-Control-Request-Headers";
/** How long a browser may cache the response to a preflight. Chromium's limit is two hours. */
const PREFLIGHT_AGE_S = 7200;

/**
 * Returns the check of a request's origin, which applies to WebSocket upgrades as well. CORS does
 * not protect upgrades: browsers send them with the user's cookies and without a preflight.
 *
 * Throws {@link SettingsError} for entries of `origins` that no browser can send.
 */
export function createOriginCheck(
  settings: Pick<Settings["socket"], "origins" | "originless" | "forwardedHost">,
) {
  const unsendable = settings.origins.filter((origin) => !isSendable(origin));
  if (unsendable.length > 0) throw new SettingsError(unsendable.map(describeUnsendable));
  const any = settings.origins.includes("*");
  const exact = new Set(settings.origins.map((origin) => origin.toLowerCase()));
  const patterns = settings.origins.filter((o) => o !== "*" && o.includes("*")).map(readPattern);

  const isListed = (origin: string) =>
    any || exact.has(origin) || patterns.some((matches) => matches(origin));
  /**
   * Whether the request is allowed. A page is allowed if it comes from the gateway's own host, or
   * if its origin is in the list. The origin `null` (file:, sandboxed frames) is allowed only by
   * `*` or by `null` in the list.
   */
  function allows({ headers }: OriginRequest): boolean {
    const origin = headers.origin?.toLowerCase();
    if (origin === undefined) return settings.originless;
    return isListed(origin) || isSameHost(origin, hostOf(headers, settings.forwardedHost));
  }
  /** Returns the CORS headers of every response to the request. */
  function headersFor(request: OriginRequest): ResponseHeaders {
    const origin = request.headers.origin;
    // The response depends on Origin even if the request has none, and shared caches must know.
    const vary: ResponseHeaders = [["Vary", "Origin"]];
    // `*` is never combined with credentials: any page could then read with the user's cookies.
    if (any) return [["Access-Control-Allow-Origin", "*"]];
    if (origin === undefined || !allows(request)) return vary;
    return [
      ["Access-Control-Allow-Origin", origin],
      ["Access-Control-Allow-Credentials", "true"],
      ...vary,
    ];
  }
  return {
    allows,
    /** Returns log fields for a refused request: its origin, and the setting that decided. */
    describe({ headers }: OriginRequest): Readonly<Record<string, string>> {
      if (headers.origin === undefined) return { setting: "socket.originless" };
      const host = hostOf(headers, settings.forwardedHost) ?? "";
      const [origin, own] = [headers.origin, host].map((text) => text.slice(0, LOGGED_CHARS));
      return { origin: origin ?? "", host: own ?? "", setting: "socket.origins" };
    },
    headers: headersFor,
    /** Returns the CORS headers of the response to a preflight; undefined if `origins` is empty. */
    preflight(request: OriginRequest): ResponseHeaders | undefined {
      if (settings.origins.length === 0) return undefined;
      const base = headersFor(request);
      if (!base.some(([name]) => name === "Access-Control-Allow-Origin")) return base;
      const asked = request.headers[REQUEST_HEADERS.toLowerCase()] ?? "";
      return [
        ...base,
        ["Vary", any ? REQUEST_HEADERS : `Origin, ${REQUEST_HEADERS}`],
        ["Access-Control-Allow-Methods", METHODS],
        ...(isHeaderList(asked) ? ([["Access-Control-Allow-Headers", asked]] as const) : []),
        ["Access-Control-Max-Age", String(PREFLIGHT_AGE_S)],
      ];
    },
  };
}

function hostOf(headers: Readonly<Record<string, string>>, forwarded: boolean): string | undefined {
  return (forwarded ? headers["x-forwarded-host"] : undefined) ?? headers.host;
}

/** Compares host and port only: behind a proxy that ends TLS the scheme is unknown. */
function isSameHost(origin: string, host: string | undefined): boolean {
  const at = origin.indexOf("://");
  if (at < 0 || !host) return false;
  const scheme = origin.slice(0, at);
  const port = scheme === "https" ? ":443" : scheme === "http" ? ":80" : "";
  const bare = (text: string) =>
    port !== "" && text.endsWith(port) ? text.slice(0, -port.length) : text;
  return bare(origin.slice(at + 3)) === bare(host.toLowerCase());
}

/** Whether a browser can send this origin, or one that matches it if it has a star. */
function isSendable(origin: string): boolean {
  if (origin === "*" || origin === "null") return true;
  const one = origin.toLowerCase().replace("://*", "://any");
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^\s/?#*@,]+$/.test(one) || !URL.canParse(one)) return false;
  // Browsers omit a default port and write names in ASCII. For a custom scheme URL says "null".
  return ["null", one].includes(new URL(one).origin);
}

function describeUnsendable(origin: string): SettingProblem {
  const bound = "no browser sends that: an origin is scheme://host, with a port only if it is odd";
  return { path: "socket.origins", value: JSON.stringify(origin), bound };
}

/**
 * Returns the test of one pattern: `https://*.example.com` matches every subdomain at any depth,
 * but not the domain itself. There is one star and no backtracking, so no Origin header is slow.
 */
function readPattern(origin: string): (origin: string) => boolean {
  const pattern = origin.toLowerCase();
  const fits = createGlobs([pattern]);
  const star = pattern.indexOf("*");
  const after = pattern.length - star - 1;
  return (given) => fits(given) && /^[a-z0-9.-]+$/.test(given.slice(star, given.length - after));
}

/** Only a plain list of header names is echoed: anything else could split the response. */
const isHeaderList = (text: string) =>
  text.length <= 1024 && text.split(",").every((name) => /^ *[\w!#$%&'*+.^`|~-]+ *$/.test(name));
