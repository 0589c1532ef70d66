/** Clients in compiled languages: each is built into the folder `dist` of its own. */
import { join } from "node:path";
import { ROOT } from "../harness/process.ts";
import { runTool } from "../harness/tool.ts";
import { build, type Made, missingOf } from "./make.ts";

/** Where a client's sources are. */
const folder = (name: string) => join(ROOT, "test/clients", name);

/** Makes the program of the Java client, with Maven. */
export async function inJava(): Promise<Made> {
  const missing = missingOf("javac", "mvn");
  if (missing) return missing;
  const cwd = folder("java");
  await build(["mvn", "-q", "-B", "compile", "dependency:copy-dependencies"], { cwd });
  return { command: ["java", "-cp", `${cwd}/dist/classes:${cwd}/dist/lib/*`, "Program"] };
}

/** Makes the program of the Go client. */
export async function inGo(): Promise<Made> {
  const missing = missingOf("go");
  if (missing) return missing;
  const cwd = folder("go");
  await build(["go", "build", "-o", "dist/program", "."], { cwd });
  return { command: [join(cwd, "dist/program")] };
}

/** Makes the program of the Rust client, with Cargo. */
export async function inRust(): Promise<Made> {
  const missing = missingOf("cargo", "cc", "pkg-config");
  if (missing) return missing;
  // The client is built with OpenSSL, whether it uses TLS or not.
  if (runTool("pkg-config", ["--exists", "openssl"]).code !== 0)
    return { missing: "libssl-dev", why: "the headers of OpenSSL (libssl-dev) are not installed" };
  const cwd = folder("rust");
  await build(["cargo", "build", "--quiet", "--locked", "--target-dir", "dist"], { cwd });
  return { command: [join(cwd, "dist/debug/sluice-client-rust")] };
}
