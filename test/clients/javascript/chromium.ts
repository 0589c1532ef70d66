/**
 * The program of socket.io-client in Chromium: `chromium.ts BUNDLE`, a file that the gateway serves
 * below `/socket.io/`.
 */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { FLAGS, findChromium } from "../../harness/browser.ts";

const [bundle = ""] = process.argv.slice(2);
const { SLUICE_URL: url = "", SLUICE_TOKEN: token = "" } = process.env;

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("rows.ts", import.meta.url))],
  bundle: true,
  format: "iife",
  globalName: "rows",
  write: false,
});
const browser = await chromium.launch({ executablePath: findChromium(), args: [...FLAGS] });
const page = await browser.newPage();
page.on("pageerror", (error) => console.error(error));
await page.exposeFunction("print", (line: object) => console.log(JSON.stringify(line)));
// Any page of the gateway's: what it says does not matter.
await page.goto(`${url}/socket.io/${bundle}`);
await page.addScriptTag({ url: `${url}/socket.io/${bundle}` });
await page.addScriptTag({ content: outputFiles[0]?.text ?? "" });
const [, version] = /Socket\.IO v([\d.]+)/.exec(
  await (await fetch(`${url}/socket.io/${bundle}`)).text(),
) ?? ["", "unknown"];
console.log(JSON.stringify({ client: bundle, version, runtime: `Chromium ${browser.version()}` }));
// The msgpack parser takes bytes as an ArrayBuffer.
const bytes = bundle.includes("msgpack") ? "(given) => given.buffer" : "undefined";
const given = `url: ${JSON.stringify(url)}, token: ${JSON.stringify(token)}, bytes: ${bytes}`;
await page.evaluate(`rows.runRows({ io, print, ${given} })`);
await browser.close();
