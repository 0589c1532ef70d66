import { type SettingProblem, SettingsError } from "../core/settings.ts";

/** Which pages of other hosts may talk to the gateway. */
export interface OriginSettings {
  /** Allowed origins: `https://app.example`, `https://*.example`, or `*` for every one. */
  readonly origins: readonly string[];
  /** Whether clients without an Origin header (anything but a browser) may connect. */
  readonly originless: boolean;
  /** Whether X-Forwarded-Host names the host a page is compared with. */
  readonly forwardedHost: boolean;
}

/** What of a request says where it comes from. */
export interface OriginSource {
  readonly headers: Readonly<Record<string, string>>;
}

/** Answers for one request's origin. */
export interface OriginCheck {
  /**
   * Whether the request may go on. A page is let in by its own host or by the list; `null` (file:,
   * sandboxed frames) only by `*` or by standing in the list itself.
   */
  allows(request: OriginSource): boolean;
  /**
   * What a log line says of a request that may not go on: its origin, and the setting that decides.
   */
  tell(request: OriginSource): Readonly<Record<string, string>>;
  /** CORS headers of every answer to it; empty for a request without an Origin that may read. */
  headers(request: OriginSource): readonly (readonly [string, string])[];
  /**
   * CORS headers of the answer to a preflight; undefined where no page of another host may come.
   */
  preflight(request: OriginSource): readonly (readonly [string, string])[] | undefined;
}

/** Characters of a client's header that a log line may hold: more than any browser sends. */
const TOLD_CHARS = 300;

/** What stock socket.io's CORS allows; what Engine.IO does not take of it is answered 400 later. */
const METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE";
const ASKED = "Access-Control-Request-Headers";
/** A browser may keep the answer to a preflight this long; Chromium takes at most two hours. */
const PREFLIGHT_AGE_S = 7200;

/**
 * Returns the check that stands before CORS and before WebSocket upgrades alike: browsers send a
 * page's cookies with an upgrade and never ask, so CORS alone protects nothing there.
 *
 * Throws {@link SettingsError} for entries of `origins` that no browser could ever send.
 */
export function createOriginCheck(settings: OriginSettings): OriginCheck {
  const never = settings.origins.filter((origin) => !isSendable(origin));
  if (never.length > 0) throw new SettingsError(never.map(tellNever));
  const any = settings.origins.includes("*");
  const exact = new Set(settings.origins.map((origin) => origin.toLowerCase()));
  const patterns = settings.origins.filter((o) => o !== "*" && o.includes("*")).map(readPattern);

  const isListed = (origin: string) =>
    any || exact.has(origin) || patterns.some((matches) => matches(origin));
  function allows({ headers }: OriginSource): boolean {
    const origin = headers.origin?.toLowerCase();
    if (origin === undefined) return settings.originless;
    return isListed(origin) || isSameHost(origin, hostOf(headers, settings.forwardedHost));
  }
  function headersFor(request: OriginSource): [string, string][] {
    const origin = request.headers.origin;
    // The answer depends on Origin even where there is none: a shared cache must know.
    const vary: [string, string][] = [["Vary", "Origin"]];
    // `*` is never sent with credentials: then any page could read with the user's cookies.
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
    tell({ headers }) {
      if (headers.origin === undefined) return { setting: "socket.originless" };
      const host = hostOf(headers, settings.forwardedHost) ?? "";
      const [origin, own] = [headers.origin, host].map((text) => text.slice(0, TOLD_CHARS));
      return { origin: origin ?? "", host: own ?? "", setting: "socket.origins" };
    },
    headers: headersFor,
    preflight(request) {
      if (settings.origins.length === 0) return undefined;
      const base = headersFor(request);
      if (!base.some(([name]) => name === "Access-Control-Allow-Origin")) return base;
      const asked = request.headers[ASKED.toLowerCase()] ?? "";
      return [
        ...base,
        ["Vary", any ? ASKED : `Origin, ${ASKED}`],
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

/** Compares host and port; the scheme is unknown behind a proxy that ends TLS. */
function isSameHost(origin: string, host: string | undefined): boolean {
  const at = origin.indexOf("://");
  if (at < 0 || !host) return false;
  const scheme = origin.slice(0, at);
  const port = scheme === "https" ? ":443" : scheme === "http" ? ":80" : "";
  const bare = (text: string) =>
    port !== "" && text.endsWith(port) ? text.slice(0, -port.length) : text;
  return bare(origin.slice(at + 3)) === bare(host.toLowerCase());
}

/** Whether a browser can send this origin, or one that its single star stands for. */
function isSendable(origin: string): boolean {
  if (origin === "*" || origin === "null") return true;
  const one = origin.toLowerCase().replace("://*", "://any");
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^\s/?#*@,]+$/.test(one) || !URL.canParse(one)) return false;
  // Browsers leave a default port out and write names in ASCII; of schemes of their own URL knows
  // nothing, and says "null".
  return ["null", one].includes(new URL(one).origin);
}

function tellNever(origin: string): SettingProblem {
  const bound = "no browser sends that: an origin is scheme://host, with a port only if it is odd";
  return { path: "socket.origins", value: JSON.stringify(origin), bound };
}

/**
 * Returns the test of one pattern: `https://*.example.com` is every subdomain, however deep, and
 * never the domain itself. One star and no regular expression over it, so that no Origin is slow.
 */
function readPattern(origin: string): (origin: string) => boolean {
  const [before = "", after = ""] = origin.toLowerCase().split("*");
  return (given) =>
    given.length > before.length + after.length &&
    given.startsWith(before) &&
    given.endsWith(after) &&
    /^[a-z0-9.-]+$/.test(given.slice(before.length, given.length - after.length));
}

/** Only a plain list of header names is sent back: anything else could split the answer. */
const isHeaderList = (text: string) =>
  text.length <= 1024 && text.split(",").every((name) => /^ *[\w!#$%&'*+.^`|~-]+ *$/.test(name));
