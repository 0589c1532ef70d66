/** The packages with the binaries of uWebSockets.js, one for each system. */
export interface Platform {
  readonly os: "linux" | "darwin" | "win32";
  readonly cpu: "x64" | "arm64";
}

/** Every system that there is a current binary for. */
export const PLATFORMS: readonly Platform[] = [
  { os: "linux", cpu: "x64" },
  { os: "linux", cpu: "arm64" },
  { os: "darwin", cpu: "arm64" },
  { os: "darwin", cpu: "x64" },
  { os: "win32", cpu: "x64" },
];

/** Binary interfaces of Node.js 20, 22, 24 and 25. */
export const ABIS = [115, 127, 137, 141];

/** A package of the registry that binaries are taken from. */
export interface Source {
  /** Its folder in `node_modules`. */
  readonly installed: string;
  /** The folder of its binaries. */
  readonly binaries: string;
  /** Where they go in our packages. */
  readonly folder: "." | "legacy";
}

/** The current binaries, and those of Node.js 20 on an older glibc than 2.38. */
export const SOURCES: readonly Source[] = [
  { installed: "uWebSockets.js", binaries: ".", folder: "." },
  { installed: "uwebsockets-legacy", binaries: "binaries", folder: "legacy" },
];

/** Returns the name of a system's package. */
export function namePackage({ os, cpu }: Platform): string {
  return `@sluice/uws-${os}-${cpu}`;
}

/** Returns the files of a system's package that a source has, one for each version of Node.js. */
export function listBinaries({ os, cpu }: Platform, { folder }: Source): readonly string[] {
  // Only Linux has an older C library; the newer Node.js versions have no legacy binary.
  const abis = folder === "." ? ABIS : os === "linux" ? [115] : [];
  return abis.map((abi) => `uws_${os}_${cpu}_${abi}.node`);
}
