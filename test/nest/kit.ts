import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, type TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import type { INestApplication } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import type { Socket } from "socket.io-client";
import type { PartialSettings } from "../../src/core/settings-shape.ts";
import { SluiceAdapter, type SluiceAdapterNeeds } from "../../src/nest/adapter.ts";
import { type ClientOptions, newClient } from "../harness/gateway.ts";
import { ROOT, type Scope } from "../harness/process.ts";
import { next } from "../harness/wait.ts";
import { run } from "../package/packed.ts";

/** A class that Nest can make. */
export type Class = new (...given: never[]) => object;

/**
 * Compiles the example and the gateways of these tests as an application does, because the types
 * that their decorators tell Nest come from the compiler. Resolves with what imports a file of them.
 */
export async function compileNest(t: Pick<Scope, "after">) {
  const cache = join(ROOT, "node_modules/.cache");
  mkdirSync(cache, { recursive: true });
  const out = mkdtempSync(join(cache, "nest-"));
  t.after(() => rmSync(out, { recursive: true }));
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  await run([process.execPath, tsc, "-p", "test/nest", "--outDir", out], ROOT);
  writeFileSync(join(out, "package.json"), '{ "type": "module" }');
  // The caller names what the file exports.
  return async <Name extends string>(file: string): Promise<Readonly<Record<Name, Class>>> =>
    await import(pathToFileURL(join(out, file)).href);
}

/** Has the gateways of `fixture/` ready when the tests of a file begin. */
export function useFixture(): Readonly<Record<"Module" | "Seen", Class>> {
  const undo: (() => unknown)[] = [];
  const loaded = {} as Record<"Module" | "Seen", Class>; // has both before the first test
  before(async () => {
    const load = await compileNest({ after: (done: () => unknown) => void undo.push(done) });
    const file = "test/nest/fixture/gateways.js";
    const { FixtureModule, Seen } = await load<"FixtureModule" | "Seen">(file);
    Object.assign(loaded, { Module: FixtureModule, Seen });
  });
  after(async () => {
    for (const done of undo) await done();
  });
  return loaded;
}

/** An application that runs for one test. */
export interface Running {
  readonly app: INestApplication;
  readonly adapter: SluiceAdapter;
  readonly url: string;
  /** Returns a real client once it is connected. */
  connected(options?: ClientOptions): Promise<Socket>;
  client(options?: ClientOptions): Socket;
}

/** Settings with which nothing waits. */
export const QUICK: PartialSettings = {
  socket: { host: "127.0.0.1", drainMs: 0 },
  metrics: { defaults: false },
  overload: { enabled: false },
};

/** Makes an application that does not listen. It is closed after the test. */
export async function makeApp(
  t: TestContext,
  module: Class,
  given: { settings?: PartialSettings; needs?: SluiceAdapterNeeds } = {},
): Promise<Pick<Running, "app" | "adapter">> {
  const app = await NestFactory.create(module, { logger: false });
  const { socket, ...settings } = given.settings ?? {};
  const adapter = new SluiceAdapter(
    app,
    { ...QUICK, ...settings, socket: { ...QUICK.socket, ...socket } },
    given.needs,
  );
  app.useWebSocketAdapter(adapter);
  t.after(() => app.close());
  return { app, adapter };
}

/** Starts an application on a free port. */
export async function startApp(
  t: TestContext,
  module: Class,
  given?: Parameters<typeof makeApp>[2],
): Promise<Running> {
  const { app, adapter } = await makeApp(t, module, given);
  await app.listen(0);
  const { url } = adapter.gateway;
  const client: Running["client"] = (options) => {
    const made = newClient(url, options);
    t.after(() => void made.disconnect());
    return made;
  };
  const connected: Running["connected"] = async (options) => {
    const made = client(options);
    await next(made.connect(), "connect");
    return made;
  };
  return { app, adapter, url, client, connected };
}
