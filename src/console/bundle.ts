import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The files of the page by name, such as `page.js`. */
export type PageFiles = ReadonlyMap<string, Buffer>;

/** The source of the page, in a clone. */
const SOURCE = new URL("../../console/", import.meta.url);

/**
 * Bundles the page of a clone: for the build, and for a gateway that runs from the source. Needs
 * the packages that only a clone has.
 */
export async function bundlePage(): Promise<PageFiles> {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    absWorkingDir: fileURLToPath(SOURCE),
    // The Socket.IO client is a file of its own: only the playground loads it.
    entryPoints: ["page.tsx", "page.css", "client.ts"],
    outdir: "/",
    write: false,
    bundle: true,
    minify: true,
    format: "esm",
    target: ["chrome111", "firefox115", "safari16.4"],
    jsx: "automatic",
    jsxImportSource: "preact",
    conditions: ["browser"],
    legalComments: "none",
    logLevel: "warning",
  });
  const files = outputFiles.map(({ path, contents }) => {
    return [path.replace(/^.*[/\\]/, ""), Buffer.from(contents)] as const;
  });
  return new Map([...files, ["page.html", readFileSync(new URL("page.html", SOURCE))]]);
}
