/** Runs what a guide shows, in a folder of its own with the packed package. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import { type CodeBlock, readCodeBlocks } from "../harness/code-blocks.ts";
import { findFreePort } from "../harness/free-port.ts";
import { startProcess, type TestProcess } from "../harness/process.ts";
import { runTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { inFolder, installPacked } from "../package/packed.ts";

/** Languages of the blocks that are not files: commands, and what they print. */
const NOT_FILES = new Set(["sh", "text"]);

/** What differs in a terminal, where nobody runs tests. */
const TERMINAL = {
  SLUICE_LOG_FORMAT: "text",
  NO_COLOR: "1",
  SLUICE_SOCKET_DRAIN_MS: "0",
  NODE_TEST_CONTEXT: undefined,
  SLUICE_SECRET: undefined, // of the functions that a guide beside this one loads here
};

/** For machines that are busy with other tests. */
const WAIT_MS = 30_000;

/** A guide that a test follows. */
export interface Guide {
  readonly folder: string;
  /** Returns the port that stands for one of the page's. */
  port(shown: number): number;
  /** Starts the block of commands with this title, and does not wait for its end. */
  start(title: string, env?: Readonly<Record<string, string>>): TestProcess;
  /** Starts a block that ends when its input does. In a terminal, that stays open. */
  serve(title: string): TestProcess;
  /** Runs it to its end. */
  run(title: string): Promise<TestProcess>;
  /** Ends processes by the signal of Ctrl-C. */
  stop(...processes: readonly TestProcess[]): Promise<void>;
  /** Waits until a process has printed the lines of the block with this title, in their order. */
  shows(process: TestProcess, title: string): Promise<void>;
  /** Waits until a process has printed these lines, and nothing else. */
  printsOnly(process: TestProcess, title: string): Promise<void>;
  /** Waits until the elements of a page that match `selector` have these texts, and no others. */
  pageShows(page: Page, selector: string, title: string): Promise<void>;
  /** Waits until the first of these elements have these texts. */
  pageBegins(page: Page, selector: string, title: string): Promise<void>;
}

let installed = "";

/**
 * Installs once what the guides of a test file tell the reader to. `GUIDES_INSTALLED` names a folder that is installed
 * already, to try a page again and again: each change of a page would be packed again.
 */
export function installGuides(packages: readonly string[]): void {
  const undo: (() => void)[] = [];
  before(async () => {
    const given = process.env.GUIDES_INSTALLED;
    const scope = { after: (done: () => void) => void undo.push(done) };
    installed = given ?? (await installPacked(scope, { packages }));
  });
  after(() => {
    for (const done of undo) done();
  });
}

/**
 * Follows the guide of this name: writes the files that its page shows into an empty folder with
 * the installed packages, and runs `follow`. Each of `ports`, which the page shows, is replaced by a
 * free one, in files, commands and outputs. Nothing else differs from the page.
 */
export function followGuide(
  name: string,
  ports: readonly number[],
  follow: (t: TestContext, guide: Guide) => Promise<void>,
): void {
  test(`the guide ${name} does what it shows`, async (t) => {
    await follow(t, await openGuide(t, { path: `docs/guides/${name}.md`, ports }));
  });
}

async function openGuide(
  t: TestContext,
  { path, ports }: { readonly path: string; readonly ports: readonly number[] },
): Promise<Guide> {
  const blocks = readCodeBlocks(path);
  const folder = mkdtempSync(join(tmpdir(), "sluice-guide-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  // Links: a copy of the packages would take seconds for each guide.
  runTool("cp", ["-al", join(installed, "node_modules"), folder]);
  const real = new Map<number, number>();
  for (const shown of ports) real.set(shown, await findFreePort());
  const replace = (text: string) =>
    text.replace(/\b\d{4}\b/g, (shown) => String(real.get(Number(shown)) ?? shown));
  const find = (title: string): CodeBlock => {
    const [block, ...more] = blocks.filter((each) => each.title === title);
    if (!block || more.length > 0) throw new Error(`${path} has not one block titled ${title}`);
    return block;
  };
  const missing = listInstalled(blocks).filter(
    (name) => !existsSync(join(folder, "node_modules", name)),
  );
  assert.deepEqual(missing, [], `${path} installs what its test file does not`);
  for (const { title, code } of blocks.filter((each) => !NOT_FILES.has(each.language))) {
    mkdirSync(dirname(join(folder, title)), { recursive: true });
    writeFileSync(join(folder, title), replace(code));
  }
  const linesOf = (title: string) => replace(find(title).code).split("\n").filter(Boolean);
  const begin = (command: string, env: Readonly<Record<string, string>>) => {
    const words = inFolder(folder, ["sh", "-c", command]);
    const first = real.get(3000);
    // What it has started is ended by it alone, so it must have the time to do that.
    t.after(async () => {
      interrupt(run);
      await until(() => hasEnded(run), "the end after Ctrl-C", WAIT_MS);
    });
    const run = startProcess(t, words, {
      ...TERMINAL,
      ...(first && { PORT: String(first) }),
      ...env,
    });
    return run;
  };
  const start: Guide["start"] = (title, env = {}) => begin(replace(find(title).code), env);
  return {
    folder,
    port: (shown) => real.get(shown) ?? shown,
    start,
    serve: (title) => begin(`tail -f /dev/null | ${replace(find(title).code)}`, {}),
    async run(title) {
      const process = start(title);
      await process.exit();
      return process;
    },
    async stop(...processes) {
      for (const process of processes) interrupt(process);
      await Promise.all(processes.map((each) => each.exit()));
    },
    shows: (process, title) => waitForLines(process, linesOf(title), false),
    printsOnly: (process, title) => waitForLines(process, linesOf(title), true),
    pageShows: (page, selector, title) =>
      waitForTexts(page.locator(selector), linesOf(title), true),
    pageBegins: (page, selector, title) =>
      waitForTexts(page.locator(selector), linesOf(title), false),
  };
}

/** Returns the packages that the commands of a page install. */
function listInstalled(blocks: readonly CodeBlock[]): readonly string[] {
  const commands = blocks.filter(({ language }) => language === "sh").map(({ code }) => code);
  const installs = commands.join("\n").match(/(?<=^npm install ).*$/gm) ?? [];
  return installs.flatMap((words) => words.split(" ")).filter((word) => !word.startsWith("-"));
}

function hasEnded({ child }: TestProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Does to a process, and to what it has started, what Ctrl-C does in a terminal. */
function interrupt(run: TestProcess): void {
  if (run.child.pid && !hasEnded(run)) process.kill(-run.child.pid, "SIGINT");
}

async function waitForTexts(elements: Locator, shown: readonly string[], only: boolean) {
  let texts: readonly string[] = [];
  const isThere = async () => {
    texts = await elements.allTextContents();
    return beginsWith(texts, shown) && (!only || texts.length === shown.length);
  };
  await until(isThere, shown.join(" | "), WAIT_MS).catch(() => assert.deepEqual(texts, shown));
}

/** Returns whether a printed line is the line of the page, where `…` stands for anything. */
function isLine(printed: string, shown: string): boolean {
  const parts = shown.trim().split("…");
  const pattern = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*");
  return new RegExp(`^${pattern}$`).test(printed.trim());
}

async function waitForLines(
  run: TestProcess,
  shown: readonly string[],
  only: boolean,
): Promise<void> {
  const listPrinted = () => run.output().split(/\r?\n/).filter(Boolean);
  const isShown = () => {
    const printed = listPrinted();
    if (only) return printed.length === shown.length && beginsWith(printed, shown);
    let at = 0;
    for (const line of printed) if (at < shown.length && isLine(line, shown[at] ?? "")) at++;
    return at === shown.length;
  };
  let ended = false;
  void run.exit().then(() => {
    ended = true;
  });
  await until(() => isShown() || ended, shown.join(" | "), WAIT_MS).catch(() => {});
  // Says how the two differ.
  if (!isShown()) assert.deepEqual(listPrinted(), shown);
}

function beginsWith(lines: readonly string[], shown: readonly string[]): boolean {
  return shown.every((line, at) => isLine(lines[at] ?? "", line));
}
