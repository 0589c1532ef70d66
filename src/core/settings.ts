import * as z from "zod/mini";
import { api } from "./settings/api.ts";
import { auth } from "./settings/auth.ts";
import { cluster } from "./settings/cluster.ts";
import { codec } from "./settings/codec.ts";
import { consoleSettings } from "./settings/console.ts";
import { fanout } from "./settings/fanout.ts";
import { section } from "./settings/field.ts";
import { http } from "./settings/http.ts";
import { limits } from "./settings/limits.ts";
import { overload } from "./settings/overload.ts";
import { handlers, log, metrics, recovery } from "./settings/rest.ts";
import { socket } from "./settings/socket.ts";
import { trace } from "./settings/trace.ts";
import { upstream } from "./settings/upstream.ts";
import { type SettingProblem, type Settings, SettingsError, showValue } from "./settings-shape.ts";
import { describeUnknown } from "./suggest.ts";
import { ENGLISH } from "./zod.ts";

export { type SettingProblem, type Settings, SettingsError, showValue } from "./settings-shape.ts";
export type { PartialSettings } from "./settings-types.ts";

/** Every setting, by section: the source of types, validation, `--settings` and the docs. */
export const SETTINGS = z.strictObject({
  socket: section(
    socket,
    "Connections: where they are accepted, how much each may buffer, when they are closed.",
  ),
  auth: section(auth, "Authentication: how a client's token is checked and what it grants."),
  limits: section(
    limits,
    "Limits on clients, counted per process. A rate of 0 means no limit; a burst is at least one second of its rate.",
  ),
  overload: section(
    overload,
    "Overload protection: when it starts, and how much it closes at once. Each sample changes the stage by at most one.",
  ),
  codec: section(codec, "Packet encodings and the limits of one packet."),
  fanout: section(fanout, "Broadcasts and commands."),
  recovery: section(recovery, "Connection state recovery."),
  handlers: section(handlers, "The module that handles events in the process."),
  http: section(http, "The application's own HTTP handler, beside Socket.IO on the same port."),
  upstream: section(upstream, "Calls to functions: routes, timeouts, queues and retries."),
  api: section(api, "The gateway's own HTTP routes, and who may use them."),
  console: section(consoleSettings, "The console, a live page in the browser."),
  cluster: section(cluster, "Other nodes, connected by Redis, and workers on this machine."),
  metrics: section(metrics, "The metrics route."),
  trace: section(trace, "Traces of events, calls and commands, for an OpenTelemetry collector."),
  log: section(log, "Log lines."),
});

/** Whether events may go to a function. */
export function hasUpstream({ upstream }: Pick<Settings, "upstream">): boolean {
  return upstream.url !== "" || upstream.routes.length > 0;
}

/** Whether calls without a waiting client, and dead letters, are kept in Redis. */
export function keepsInRedis({ cluster, upstream }: Pick<Settings, "cluster" | "upstream">) {
  return cluster.redisUrl !== "" && upstream.durable !== "memory";
}

/** The names of one setting, and its schema. */
export interface SettingName {
  /** Section and key, such as `socket.port`. */
  readonly path: string;
  /** Its environment variable, such as `SLUICE_SOCKET_PORT`. */
  readonly env: string;
  readonly schema: z.ZodMiniType;
}

/** One setting as a row of the docs and of `--settings`. */
export interface SettingRow extends Omit<SettingName, "schema"> {
  readonly kind: "number" | "boolean" | "string" | "list" | "json";
  readonly byDefault: unknown;
  /** Its bound in words, such as `0…65535`. */
  readonly bound: string;
  readonly text: string;
  readonly secret: boolean;
}

interface LeafSchema {
  type?: string;
  default?: unknown;
  description?: string;
  secret?: boolean;
  minimum?: number;
  maximum?: number;
  enum?: unknown[];
  pattern?: string;
  items?: LeafSchema;
}

let names: readonly SettingName[] | undefined;

/** Returns the names of every setting, in the order of SETTINGS. */
export function nameSettings(): readonly SettingName[] {
  names ??= walk(SETTINGS, []);
  return names;
}

function walk(schema: z.core.$ZodType, path: readonly string[]): SettingName[] {
  const inner = schema instanceof z.ZodMiniPrefault ? schema.def.innerType : schema;
  if (inner instanceof z.ZodMiniObject) {
    return Object.entries(inner.shape).flatMap(([key, child]) => walk(child, [...path, key]));
  }
  const leaf = schema as z.ZodMiniType; // SETTINGS is built with zod/mini only
  return [{ path: path.join("."), env: envName(path), schema: leaf }];
}

/** Returns every setting in the order of SETTINGS, read from its schema. */
export function listSettings(): readonly SettingRow[] {
  return nameSettings().map(describeSetting);
}

/** Returns one setting as a row. Describing all would take a tenth of the start-up time. */
export function describeSetting({ path, env, schema }: SettingName): SettingRow {
  // LeafSchema lists the members of JSON Schema that the settings use.
  const leaf = z.toJSONSchema(schema, { io: "input" }) as LeafSchema;
  return {
    path,
    env,
    kind: kindOf(leaf),
    byDefault: leaf.default,
    bound: boundOf(leaf),
    text: leaf.description ?? "",
    secret: leaf.secret === true,
  };
}

function envName(path: readonly string[]): string {
  const words = path.map((part) => part.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase());
  return `SLUICE_${words.join("_")}`;
}

function kindOf(schema: LeafSchema): SettingRow["kind"] {
  if (schema.type === "integer" || schema.type === "number") return "number";
  if (schema.type === "boolean") return "boolean";
  if (schema.type === "string" || schema.enum) return "string";
  const flat = schema.items?.type === "string" || schema.items?.enum !== undefined;
  return schema.type === "array" && flat ? "list" : "json";
}

function boundOf(schema: LeafSchema): string {
  const one = schema.items ?? schema;
  if (one.enum) return one.enum.join(" | ");
  if (schema.minimum !== undefined) return `${schema.minimum}…${schema.maximum}`;
  if (schema.type === "boolean") return "true | false";
  if (schema.pattern) return `text that matches ${schema.pattern}`;
  return schema.type === "array" ? "list" : schema.type === "string" ? "text" : "JSON";
}

/**
 * Returns complete settings from any part of them.
 *
 * Throws {@link SettingsError} with every problem at once: unknown keys, wrong types, values out of
 * their bounds. The values of secrets are never in it.
 */
export function readSettings(given: unknown): Settings {
  // `jitless`: settings are read once or twice, and compiling a validator would take four times as
  // long.
  const result = SETTINGS.safeParse(given, { ...ENGLISH, jitless: true });
  if (result.success) return result.data;
  throw new SettingsError(result.error.issues.flatMap((issue) => problemsOf(issue, given)));
}

/** Values that settings had once, by path, and what to do instead. */
const GONE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "cluster.adapter": {
    sharded:
      "is gone: streams sends each node what its own rooms need; set cluster.adapter to streams, on all nodes at once",
  },
};

const formatPath = ({ path }: SettingName) => path;

function problemsOf(issue: z.core.$ZodIssue, given: unknown): SettingProblem[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const path = [...issue.path, key].join(".");
      // The fields of a list's entries are not settings, so none is suggested.
      const isInside = issue.path.some((part) => typeof part === "number");
      const bound = describeUnknown(path, isInside ? [] : nameSettings(), formatPath);
      return { path, value: "(given)", bound };
    });
  }
  const path = issue.path.join(".");
  const name = nameSettings().find((n) => path === n.path || path.startsWith(`${n.path}.`));
  const row = name && describeSetting(name);
  let value = given;
  for (const key of issue.path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  const shown = row?.secret ? "(secret)" : showValue(value);
  // Inside a list the bound "list" would be wrong: say what zod found there.
  const isInside = row?.bound === "list" && path !== row.path;
  const gone = GONE[path]?.[String(value)];
  const bound = gone ?? (row && !isInside ? `must be ${row.bound}` : issue.message);
  return [{ path, value: shown, bound }];
}
