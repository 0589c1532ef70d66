import { isDeepStrictEqual } from "node:util";
import type { INestApplication } from "@nestjs/common";
import { ModulesContainer } from "@nestjs/core";
import type { PartialSettings } from "../core/settings-shape.ts";

type SocketSettings = NonNullable<PartialSettings["socket"]>;

/** Options of `@WebSocketGateway` that are settings of the section `socket`. */
const SETTINGS: Readonly<Record<string, keyof SocketSettings>> = {
  path: "path",
  serveClient: "serveClient",
  transports: "transports",
  connectTimeout: "connectTimeoutMs",
  pingTimeout: "pingTimeoutMs",
  pingInterval: "pingIntervalMs",
  upgradeTimeout: "upgradeTimeoutMs",
  maxHttpBufferSize: "packetBytesMax",
  allowEIO3: "allowEio3",
};

/** Off is what Sluice does. */
const ONLY_OFF = ["perMessageDeflate", "httpCompression", "cookie"];

/** Listed origins get credentials, and whatever methods and headers a browser asks for. */
const CORS_OPTIONS = ["origin", "credentials", "methods", "allowedHeaders"];

/** A class with `@WebSocketGateway`. */
interface GatewayClass {
  readonly name: string;
  readonly port: unknown;
  readonly options: Readonly<Record<string, unknown>>;
}

type Read = (key: string, target: object) => unknown;

/** Lists the gateways of an application, as Nest finds them. */
export function listGateways(app: INestApplication): GatewayClass[] {
  // What reflect-metadata adds, which Nest has loaded.
  const { getMetadata } = Reflect as { readonly getMetadata?: Read };
  if (!getMetadata) return [];
  const found = new Map<object, GatewayClass>();
  for (const { providers } of app.get(ModulesContainer).values()) {
    for (const { metatype } of providers.values()) {
      if (typeof metatype !== "function") continue;
      if (!getMetadata("websockets:is_gateway", metatype)) continue;
      const port = getMetadata("port", metatype);
      const options = Object(getMetadata("websockets:gateway_options", metatype));
      found.set(metatype, { name: metatype.name, port, options });
    }
  }
  return [...found.values()];
}

/**
 * Returns the settings with what the gateways' decorators say. Throws one sentence for what cannot
 * be honoured, and for two that say different things: there is one server for all of them.
 */
export function withOptions(
  settings: PartialSettings,
  gateways: readonly GatewayClass[],
): PartialSettings {
  const socket: Record<string, unknown> = { ...settings.socket };
  const from = new Map(Object.keys(socket).map((key) => [key, "settings of SluiceAdapter"]));
  for (const { name, port, options } of gateways) {
    if (port) throw new Error(sayPort(name, port));
    for (const [key, value] of readOptions(name, options)) {
      const other = from.get(key);
      if (other !== undefined && !isDeepStrictEqual(socket[key], value)) {
        throw new Error(`socket.${key} differs in ${other} and in ${name}: set it in one place`);
      }
      socket[key] = value;
      from.set(key, name);
    }
  }
  return { ...settings, socket };
}

const sayPort = (name: string, port: unknown): string =>
  `${name} has port ${port} in @WebSocketGateway, but all gateways share the port of app.listen(): ` +
  "remove the port";

/** Returns the settings that one decorator's options stand for. */
function readOptions(name: string, options: GatewayClass["options"]): [string, unknown][] {
  return Object.entries(options).flatMap(([option, value]): [string, unknown][] => {
    if (option === "namespace" || value === undefined) return [];
    if (option === "cors") return readCors(name, value);
    const setting = SETTINGS[option];
    if (setting !== undefined) return [[setting, value]];
    if (value === false && ONLY_OFF.includes(option)) return [];
    throw new Error(`${name} has the option ${option} in @WebSocketGateway: ${sayInstead(option)}`);
  });
}

function sayInstead(option: string): string {
  if (option === "adapter") return "remove it, and set cluster.redisUrl for several nodes";
  if (option === "parser") return "remove it, clients may use msgpack or JSON without it";
  return "SluiceAdapter does not support it, so remove it";
}

/** Returns `socket.origins`, if pages of other hosts may connect. */
function readCors(name: string, cors: unknown): [string, unknown][] {
  if (!cors) return [];
  const options: Readonly<Record<string, unknown>> = Object(cors);
  const { origin = "*", credentials } = options;
  const unknown = Object.keys(options).find((key) => !CORS_OPTIONS.includes(key));
  const origins = origin === true ? ["*"] : Array.isArray(origin) ? origin : [origin];
  if (origin === false) return [];
  if (unknown !== undefined || typeof cors === "function" || !origins.every(isText)) {
    const what = unknown === undefined ? "an origin that is not a string" : unknown;
    throw new Error(`${name} has cors with ${what}: list the origins in socket.origins instead`);
  }
  if (credentials && origins.includes("*")) {
    throw new Error(`${name} has cors with credentials for every origin: list the origins`);
  }
  return [["origins", origins]];
}

const isText = (value: unknown): value is string => typeof value === "string";
