import { after } from "node:test";
import { type Api, type ApiNeeds, createApi } from "../../src/api/api.ts";
import { createValueCodec, type ValueCodec } from "../../src/codec/values.ts";
import type { Command, CommandResult } from "../../src/core/command.ts";
import { type PartialSettings, readSettings } from "../../src/core/settings.ts";
import { startApp, type TestApp } from "./app.ts";

/** The secret of the one key that {@link startApi} sets. */
export const SECRET = "a-secret-of-the-tests-0123456789";

/** The API on an app of its own, with hand-written needs. */
export interface TestApi {
  readonly on: TestApp;
  readonly api: Api;
  /** Every command that was carried out, in order. */
  readonly applied: Command[];
  /** Answers of the API, as `route status`. */
  readonly answered: string[];
  readonly packer: ValueCodec;
  /** Sends a JSON body with the key; `headers` win. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  /** The head of a request on a raw connection, with the key. */
  head(path: string, fields: Record<string, string | number>): string;
}

/** Bounds for values that no test comes near. */
export const WIDE = {
  depthMax: 40,
  elementsMax: 100_000,
  nameBytesMax: 10_000,
  attachmentsMax: 1000,
  packetBytesMax: 10_000_000,
};

/**
 * Starts the API; commands are noted and answered with `{ ok: true }` unless `needs` says else. It
 * ends with the test that starts it.
 */
export async function startApi(
  settings: PartialSettings["api"] = {},
  needs: Partial<ApiNeeds> = {},
): Promise<TestApi> {
  const on = await startApp();
  const applied: Command[] = [];
  const answered: string[] = [];
  const packer = createValueCodec(WIDE);
  const api = createApi(readSettings({ api: { keys: [`tests:${SECRET}`], ...settings } }).api, {
    route: on.http.route,
    apply: async (commands) => {
      applied.push(...commands);
      return commands.map((): CommandResult => ({ ok: true }));
    },
    rooms: async () => ({ items: [] }),
    packer,
    log: () => {},
    scrape: async () => ({ type: "text/plain", body: "" }),
    isDraining: () => false,
    answered: (route, status) => void answered.push(`${route} ${status}`),
    version: "0.0.0",
    metricsPath: "/metrics",
    now: Date.now,
    ...needs,
  });
  const authorization = `Bearer ${SECRET}`;
  after(() => {
    api.stop();
    on.close();
  });
  return {
    ...{ on, api, applied, answered, packer },
    post: (path, body, headers = {}) =>
      fetch(on.url + path, {
        method: "POST",
        headers: { authorization, "content-type": "application/json", ...headers },
        body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
      } as RequestInit), // Node's own fetch takes Buffers, whose type the DOM's does not know
    get: (path, headers = {}) => fetch(on.url + path, { headers: { authorization, ...headers } }),
    head(path, fields) {
      const given = { host: "a", authorization, "content-type": "application/json", ...fields };
      const lines = Object.entries(given).map(([name, value]) => `${name}: ${value}\r\n`);
      return `POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
    },
  };
}
