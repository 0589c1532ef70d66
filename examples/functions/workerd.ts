import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const require = createRequire(import.meta.url);
// The package has no types: its default export is the path of the binary.
const { default: workerd } = require("workerd") as { readonly default: string };

// Serves the chat in workerd, the runtime of Cloudflare Workers, on the port of `PORT`.
const bindings = ["SLUICE_SECRET", "SLUICE_URL", "SLUICE_KEY"].map((name) => {
  const value = process.env[name];
  if (value === undefined) throw new Error(`set ${name}`);
  return `(name = "${name}", text = ${JSON.stringify(value)})`;
});
const folder = mkdtempSync(join(tmpdir(), "sluice-worker-"));
await build({
  entryPoints: [fileURLToPath(new URL("worker.ts", import.meta.url))],
  tsconfig: fileURLToPath(new URL("../../tsconfig.json", import.meta.url)),
  outfile: join(folder, "worker.js"),
  bundle: true,
  format: "esm",
  logLevel: "warning",
});
// Outgoing requests may reach private addresses: the gateway of this example is on this machine.
writeFileSync(
  join(folder, "config.capnp"),
  `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "chat", worker = .chat),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${process.env.PORT ?? 8787}", http = (), service = "chat")],
);
const chat :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-01-01",
  bindings = [${bindings.join(", ")}],
);
`,
);
const child = spawn(workerd, ["serve", "--control-fd=3", join(folder, "config.capnp")], {
  stdio: ["ignore", "inherit", "inherit", "pipe"],
});
// workerd prints its port as a line of JSON. With PORT=0 this is the only way to know it.
child.stdio[3]?.on("data", (bytes: Buffer) => {
  const port = /"port":\s*(\d+)/.exec(String(bytes))?.[1];
  if (port !== undefined) console.log(`listening on port ${port}`);
});
child.once("exit", (code) => {
  rmSync(folder, { recursive: true, force: true });
  process.exitCode = code ?? 0;
});
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => child.kill(signal));
