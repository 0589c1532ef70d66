/** The tools with which package authors check what they publish find nothing. */
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../harness/process.ts";
import { findTarball, packSluice, run } from "./packed.ts";

const tool = (path: string) => [process.execPath, join(ROOT, "node_modules", path)];
const PUBLINT = tool("publint/src/cli.js");
const ATTW = tool("@arethetypeswrong/cli/dist/index.js");

for (const name of ["sluice", "sluice-edge"] as const) {
  test(`publint and "are the types wrong" find nothing wrong with ${name}`, async () => {
    const tarball = findTarball(await packSluice(), name);
    await run([...PUBLINT, "run", tarball, "--strict"], ROOT);
    // By require it is the same module as by import: Node.js 20.19 and 22.12 can.
    const rules = ["--ignore-rules", "cjs-resolves-to-esm"];
    const old = name === "sluice" ? [] : ["--profile", "node16"];
    await run([...ATTW, tarball, ...rules, ...old], ROOT);
  });
}
