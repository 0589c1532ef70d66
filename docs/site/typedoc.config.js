import { readFileSync } from "node:fs";

const { exports } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
);

/** Every entry point of the package: `dist/x.d.ts` and `dist/types/x.d.ts` are written from `src/x.ts`. */
const entryPoints = Object.values(exports)
  .filter((entry) => typeof entry === "object")
  .map(
    ({ types }) =>
      `../../${types.replace(/^\.\/dist\/(types\/)?/, "src/").replace(".d.ts", ".ts")}`,
  );

/** @type {Partial<import("typedoc").TypeDocOptions & import("typedoc-plugin-markdown").PluginOptions>} */
export default {
  plugin: ["typedoc-plugin-markdown"],
  entryPoints,
  tsconfig: "../../tsconfig.json",
  out: "api",
  name: "TypeScript API",
  readme: "none",
  excludePrivate: true,
  validation: { notDocumented: true, invalidLink: true, notExported: false },
  requiredToBeDocumented: [
    "Class",
    "Enum",
    "Function",
    "Interface",
    "Method",
    "TypeAlias",
    "Variable",
  ],
  // `npm run check` does it, with the compiler that the project uses.
  skipErrorChecking: true,
  treatWarningsAsErrors: true,
  disableSources: true,
  hideBreadcrumbs: true,
  hidePageHeader: true,
  entryFileName: "index",
};
