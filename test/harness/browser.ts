import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { TestContext } from "node:test";
import { type Browser, chromium, type Page } from "playwright-core";
import { hasTool, runTool } from "./tool.ts";

/** How a page is opened. */
export interface PageOptions {
  readonly colorScheme?: "light" | "dark";
  readonly height?: number;
}

/** How Chromium is started where nobody watches it. */
export const FLAGS: readonly string[] = [
  ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];

/** Returns the path of Chromium; empty where there is none. */
export function findChromium(): string {
  return runTool("sh", ["-c", "command -v chromium"]).text.trim();
}

/**
 * Starts Debian's Chromium for a test, with a profile of its own that goes with it; skips the test
 * by name where there is none.
 */
export async function startBrowser(t: TestContext): Promise<Browser | undefined> {
  if (!hasTool(t, "chromium")) return undefined;
  const browser = await chromium.launch({ executablePath: findChromium(), args: [...FLAGS] });
  t.after(() => browser.close());
  return browser;
}

/**
 * Opens a page that shares nothing with others. `errors` are what it threw, what its policy
 * refused, and whatever dialog a script opened.
 */
export async function openPage(
  browser: Browser,
  url: string,
  { colorScheme = "light", height = 900 }: PageOptions = {},
): Promise<{ readonly page: Page; readonly errors: string[] }> {
  const page = await browser.newPage({ colorScheme, viewport: { width: 1280, height } });
  page.setDefaultTimeout(20_000);
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(`thrown: ${error.message}`));
  page.on("dialog", (dialog) => {
    errors.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (line) => {
    // A refused request is what some tests are about.
    const isRefusal = /Failed to load resource/.test(line.text());
    if (line.type() === "error" && !isRefusal) errors.push(line.text());
  });
  await page.goto(url);
  return { page, errors };
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf8");

/** Fails for what axe finds wrong with a page for people who use it by other means. */
export async function checkAccess(page: Page): Promise<void> {
  const found = await page.evaluate(`(() => {
    ${axe}
    return axe.run().then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html).join(" ")));
  })()`);
  assert.deepEqual(found, []);
}
