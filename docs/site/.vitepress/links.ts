import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import type { MarkdownRenderer } from "vitepress";
import { PAGES, ROOT } from "./pages.ts";

const { repository } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
/** Where files that are no pages are shown. */
const SOURCE =
  process.env.SITE_REPOSITORY ??
  String(repository?.url ?? "https://sluice.example/sluice").replace(/^git\+|\.git$/g, "");

/** Files that the site has as they are. */
export const COPIED = /^docs\/(openapi|schemas\/\w+)\.json$/;

const routes = new Map(PAGES.map(({ file, route }) => [file, `/${route.replace(/index$/, "")}`]));

// Its search knows pages by their files, and the rest of VitePress by their addresses.
const files = new Map(
  PAGES.flatMap(({ file, route }) => [
    [file, file],
    [`${route}.md`, file],
  ]),
);

/** Returns the file of a page by what VitePress knows it by. */
function fileOf(address: string): string {
  const file = files.get(address);
  if (file === undefined) throw new Error(`${address} is no page of the site`);
  return file;
}

/**
 * Leads links to other files of the repository to the page in the site, or to the file's source.
 *
 * Throws for a file that does not exist, and for an address that is none.
 */
function findTarget(href: string, page: string): string {
  if (/^[a-z]+:/i.test(href)) {
    if (!URL.canParse(href)) throw new Error(`${page}: ${href} is not an address`);
    return href;
  }
  const [, path = "", hash = ""] = /^([^#]*)(#.*)?$/.exec(href) ?? [];
  if (path === "") return href;
  const target = resolve(ROOT, dirname(page), decodeURI(path));
  const file = relative(ROOT, target);
  const route = routes.get(file) ?? routes.get(join(file, "README.md"));
  if (route !== undefined) return route + hash;
  if (!existsSync(target)) throw new Error(`${page}: ${href} does not exist`);
  if (COPIED.test(file)) return file.replace("docs/", "/");
  const kind = statSync(target).isDirectory() ? "tree" : "blob";
  return `${SOURCE}/${kind}/main/${file}${hash}`;
}

/** Makes Markdown as GitHub shows it fit the site. */
export function fitMarkdown(md: MarkdownRenderer): void {
  md.core.ruler.push("fit", ({ tokens, env }) => {
    // There is no highlighting for it.
    for (const token of tokens) if (token.info === "promql") token.info = "txt";
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.type === "link_open" ? token.attrGet("href") : null;
      if (href !== null) token.attrSet("href", findTarget(href, fileOf(env.relativePath)));
    }
  });
  // Long names may break where they have a dot or the like, so that tables fit.
  const { code_inline } = md.renderer.rules;
  md.renderer.rules.code_inline = (...given) =>
    (code_inline?.(...given) ?? "").replace(/(?<=\w[._,/:])(?=["\w])/g, "<wbr>");
  // Two braces are text here, and nothing for Vue to evaluate.
  const { text } = md.renderer.rules;
  md.renderer.rules.text = (...given) => (text?.(...given) ?? "").replaceAll("{{", "&#123;&#123;");
}
