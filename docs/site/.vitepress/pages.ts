import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository. Pages stay where they are in it, and GitHub shows them, too. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** Folders whose Markdown files are pages: their own files, and those of the folders in them. */
const FOLDERS = [".", "docs", "docs/guides", "deploy", "examples", "packages", "bench"];

/** Pages by reader, in the order to read them. What nothing names stands in the last group. */
const GROUPS: Readonly<Record<string, readonly RegExp[]>> = {
  "Start here": [
    /^README\.md$/,
    /^docs\/developing\.md$/,
    /^docs\/guides\//,
    /^docs\/migrating\.md$/,
    /^docs\/clients\.md$/,
  ],
  "Handlers in your process": [
    /^docs\/(options|closes|failures|nest|http)\.md$/,
    /^examples\/nest/,
  ],
  "Functions and the HTTP API": [
    /^docs\/functions\.md$/,
    /^docs\/functions-without-sdk\.md$/,
    /^examples\/functions\//,
    /^packages\/edge\//,
    /^docs\/calls\.md$/,
    /^docs\/http-api\.md$/,
  ],
  Operating: [
    /^deploy\/README\.md$/,
    /^docs\/operating\.md$/,
    /^docs\/settings\.md$/,
    /^docs\/doors\.md$/,
    /^docs\/scaling\.md$/,
    /^docs\/(console|metrics|tracing)\.md$/,
    /^docs\/(alerts|incident)\.md$/,
    /^docs\/uwebsockets\.md$/,
  ],
  "Deploying to": [/^deploy\//],
  "Is it for you?": [
    /^ARCHITECTURE\.md$/,
    /^SECURITY\.md$/,
    /^bench\//,
    /^docs\/versioning\.md$/,
    /^CHANGELOG\.md$/,
  ],
  "The project": [/^CONTRIBUTING\.md$/, /^CODE_OF_CONDUCT\.md$/, /./],
};

/** A page: its file in the repository, and its address in the site without `.html`. */
export interface Page {
  readonly file: string;
  readonly route: string;
  readonly title: string;
}

/** Written by TypeDoc; none of them is in the repository. */
const API = "docs/site/api";
const HOME: Page = { file: "docs/site/home.md", route: "index", title: "Sluice" };

function routeOf(file: string): string {
  if (file === "README.md") return "overview";
  const inSite = file.replace(/^docs\/(site\/)?/, "").replace(/\.md$/, "");
  const folder = inSite.replace(/(^|\/)README$/, "$1index");
  return folder.includes("/") ? folder : folder.toLowerCase();
}

function readPage(file: string): Page {
  if (file === "README.md") return { file, route: routeOf(file), title: "What Sluice is" };
  const title = /^# (.+)$/m.exec(readFileSync(join(ROOT, file), "utf8"))?.[1] ?? file;
  return { file, route: routeOf(file), title: title.replace(/[`\\]/g, "") };
}

function listMarkdown(folder: string): readonly string[] {
  const path = join(ROOT, folder);
  if (!existsSync(path)) return [];
  const own = readdirSync(path).map((name) => join(folder, name));
  const inner = readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !/^(\.|node_modules$|site$)/.test(entry.name))
    .filter(() => folder !== "." && folder !== "docs")
    .flatMap(({ name }) => readdirSync(join(path, name)).map((file) => join(folder, name, file)));
  return [...own, ...inner].filter((file) => file.endsWith(".md")).sort();
}

/** Returns all pages but the home page and the reference of the API, by group. */
function groupPages(): ReadonlyMap<string, readonly Page[]> {
  const left = new Set(FOLDERS.flatMap(listMarkdown));
  const groups = new Map<string, Page[]>();
  for (const [name, patterns] of Object.entries(GROUPS)) {
    const files = patterns.flatMap((pattern) => [...left].filter((file) => pattern.test(file)));
    const pages = [...new Set(files)].map(readPage);
    for (const { file } of pages) left.delete(file);
    if (pages.length > 0) groups.set(name, pages);
  }
  return groups;
}

function listApi(): readonly Page[] {
  const files = readdirSync(join(ROOT, API), { recursive: true, encoding: "utf8" });
  return files.filter((name) => name.endsWith(".md")).map((name) => readPage(`${API}/${name}`));
}

const groups = groupPages();

/** Every page of the site. */
export const PAGES: readonly Page[] = [HOME, ...[...groups.values()].flat(), ...listApi()];

/** The list beside each page: groups by reader, then the reference of the API. */
export const SIDEBAR = [
  ...[...groups].map(([text, pages]) => ({
    text,
    collapsed: text === "Deploying to",
    items: pages.map(({ title, route }) => ({
      text: title,
      link: `/${route.replace(/index$/, "")}`,
    })),
  })),
  {
    text: "TypeScript API",
    items: listApi()
      .filter(({ route }) => route.endsWith("/index") && route !== "api/index")
      .map(({ title, route }) => ({ text: title, link: `/${route.replace(/index$/, "")}` }))
      .sort((one, other) => one.link.localeCompare(other.link)),
  },
];
