/**
 * Gathers the declarations that a package brings: those which its public modules reach, and no
 * others. Only packages that are installed with Sluice may be named in them.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";

/** Packages whose types a user has: the peer dependencies, and Node.js' own modules. */
const INSTALLED = /^(socket\.io|@nestjs\/common|node:[\w/]+)$/;

/** Its declarations are copied: users may have no package of this name. */
const NATIVE = "uWebSockets.js";

/** A module's name in an import, but not in a comment. */
const IMPORTS = /^(?!\s*(?:\/?\*|\/\/))(.*\b(?:from|import)\s*\(?\s*)"([^"\s]+)"/gm;

interface Declarations {
  /** Folder of all declarations, as the compiler wrote them. */
  readonly from: string;
  readonly to: string;
  /** The public modules, relative to `from` and without an extension. */
  readonly entries: readonly string[];
  /** File with the declarations of uWebSockets.js. */
  readonly native: string;
}

/**
 * Copies the declarations that the entries reach. Throws if one names a package that users do not
 * have: their compiler would take its types as `any`.
 */
export function copyDeclarations({ from, to, entries, native }: Declarations): void {
  const done = new Set<string>();
  const copy = (name: string, path: readonly string[]): void => {
    if (done.has(name)) return;
    done.add(name);
    const chain = [...path, name];
    const rewrite = (_: string, before: string, specifier: string): string =>
      `${before}"${follow(specifier, chain)}"`;
    write(join(to, name), readFileSync(join(from, name), "utf8").replace(IMPORTS, rewrite));
  };
  const follow = (specifier: string, chain: readonly string[]): string => {
    const folder = posix.dirname(chain.at(-1) ?? "");
    if (specifier === NATIVE) return `./${posix.relative(folder, "uwebsockets.js")}`;
    if (specifier.startsWith(".")) {
      copy(posix.join(folder, specifier.replace(/\.[jt]s$/, ".d.ts")), chain);
      return specifier.replace(/\.ts$/, ".js");
    }
    if (INSTALLED.test(specifier)) return specifier;
    throw new Error(
      `The declarations of ${chain.join(" → ")} need ${specifier}, which users do not have: ` +
        "import the type from a file that does not, or write it out",
    );
  };
  for (const entry of entries) copy(`${entry}.d.ts`, []);
  write(join(to, "uwebsockets.d.ts"), readFileSync(native, "utf8"));
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
