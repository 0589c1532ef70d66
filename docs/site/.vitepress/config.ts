import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { slug } from "github-slugger";
import { defineConfig } from "vitepress";
import { fitMarkdown } from "./links.ts";
import { PAGES, ROOT, SIDEBAR } from "./pages.ts";

/** Pages whose tables need all of the width. */
const WIDE =
  /^(settings|metrics|closes|failures|options|calls|http-api|clients|bench\/index|overview)\.md$/;

export default defineConfig({
  title: "Sluice",
  description: "A self-hosted Socket.IO event gateway on uWebSockets.js.",
  lang: "en-GB",
  // None: browsers ask for one otherwise.
  head: [["link", { rel: "icon", href: "data:," }]],
  base: process.env.SITE_BASE ?? "/",
  srcDir: ROOT,
  srcExclude: [".github/**", "test/**", "docs/site/node_modules/**", "docs/site/dist/**"],
  outDir: "dist",
  cacheDir: "node_modules/.cache/vitepress",
  rewrites: Object.fromEntries(PAGES.map(({ file, route }) => [file, `${route}.md`])),
  cleanUrls: false,
  lastUpdated: false,
  ignoreDeadLinks: "localhostLinks",
  markdown: {
    // The addresses of headings are those that GitHub gives them.
    anchor: { slugify: (text) => slug(text) },
    config: fitMarkdown,
  },
  themeConfig: {
    nav: [
      { text: "Handlers", link: "/overview" },
      { text: "Functions", link: "/functions" },
      { text: "Operating", link: "/operating" },
      { text: "API", link: "/api/" },
    ],
    sidebar: SIDEBAR,
    outline: { level: [2, 3] },
    search: { provider: "local" },
  },
  vite: {
    plugins: [
      {
        // Pages are no files of this package, so what they are compiled to does not find it itself.
        name: "vue-for-pages",
        enforce: "pre",
        resolveId(id, importer, options) {
          if (!/^vue($|\/)/.test(id) || importer?.includes("node_modules")) return null;
          const here = fileURLToPath(import.meta.url);
          return this.resolve(id, here, { ...options, skipSelf: true });
        },
      },
    ],
    build: { chunkSizeWarningLimit: 4096 },
  },
  transformPageData(page) {
    if (WIDE.test(page.relativePath)) page.frontmatter.pageClass = "wide";
    if (page.relativePath.startsWith("api/")) page.frontmatter.outline = [2, 3];
  },
  buildEnd({ outDir }) {
    cpSync(join(ROOT, "docs/openapi.json"), join(outDir, "openapi.json"));
    cpSync(join(ROOT, "docs/schemas"), join(outDir, "schemas"), { recursive: true });
  },
});
