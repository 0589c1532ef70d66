import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { toNodeListener } from "../../src/edge/node.ts";
import { startProcess } from "../harness/process.ts";
import { followGuide, type Guide } from "./guide.ts";

const SECRET = "whsec_c2VjcmV0IG9mIHRoZSBndWlkZSdzIHRlc3QsIDMyIGI=";

/** docs/guides/functions-platforms.md */
export function functionsPlatforms(): void {
  followGuide("functions-platforms", [3000], async (t, guide) => {
    await guide.printsOnly(await guide.run("secret"), "secret made");
    await guide.run("bundle");
    process.env.SLUICE_SECRET = SECRET;
    t.after(() => delete process.env.SLUICE_SECRET);
    const worker = await startWorker(t, guide);
    const lambda = await serve(t, await loadLambda(guide));
    const vercel = await serve(t, (await load(guide, "api/call.mjs")).POST);
    for (const url of [worker, lambda, vercel]) {
      const gateway = guide.start("gateway", { FUNCTION_URL: url, SECRET });
      await guide.shows(gateway, "listening");
      await guide.printsOnly(await guide.run("client"), "client told");
      if (url === vercel) await guide.printsOnly(guide.start("nameless"), "nameless refused");
      await guide.stop(gateway);
    }
    const wrong = guide.start("wrong secret", { FUNCTION_URL: vercel });
    await guide.shows(wrong, "listening");
    await guide.shows(guide.start("client"), "wrong secret told");
    await guide.shows(wrong, "wrong secret logged");
  });
}

type Fetch = (request: Request) => Response | Promise<Response>;

/** Loads a module of the guide's folder, as the platform's Node.js does. */
function load(guide: Guide, file: string) {
  return import(pathToFileURL(join(guide.folder, file)).href);
}

/** Serves a `fetch` handler as Node.js' platforms do; resolves with its URL. */
async function serve(t: TestContext, handler: Fetch): Promise<string> {
  const server = createServer(toNodeListener(handler));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on a port
}

/** Returns what a Function URL does: a request becomes an event of payload format 2.0. */
async function loadLambda(guide: Guide): Promise<Fetch> {
  const { handler } = await load(guide, "index.mjs");
  return async (request) => {
    const url = new URL(request.url);
    const result = await handler({
      version: "2.0",
      rawPath: url.pathname,
      rawQueryString: url.search.slice(1),
      headers: Object.fromEntries(request.headers),
      requestContext: { domainName: url.host, http: { method: request.method } },
      body: Buffer.from(await request.arrayBuffer()).toString("base64"),
      isBase64Encoded: true,
    });
    const body = Buffer.from(result.body, result.isBase64Encoded ? "base64" : "utf8");
    const { statusCode: status, headers } = result;
    return new Response(status === 204 ? null : body, { status, headers });
  };
}

/** Runs the worker in workerd, with the settings of wrangler's file; resolves with its URL. */
async function startWorker(t: TestContext, { folder }: Guide): Promise<string> {
  const wrangler = JSON.parse(readFileSync(join(folder, "wrangler.json"), "utf8"));
  const outfile = join(folder, "bundled-worker.js");
  const entryPoints = [join(folder, wrangler.main)];
  await build({ entryPoints, outfile, bundle: true, format: "esm", logLevel: "warning" });
  const config = join(folder, "config.capnp");
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "chat", worker = .chat)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "chat")],
);
const chat :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "bundled-worker.js")],
  compatibilityDate = "${wrangler.compatibility_date}",
  bindings = [(name = "SLUICE_SECRET", text = "${SECRET}")],
);
`,
  );
  // The package has no types: its default export is the path of the binary.
  const { default: workerd } = createRequire(import.meta.url)("workerd") as { default: string };
  const run = startProcess(t, [workerd, "serve", "--control-fd=1", config]);
  const { port } = await run.line("port");
  return `http://127.0.0.1:${port}`;
}
