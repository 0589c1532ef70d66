/** What decides which binary of uWebSockets.js loads. */
export interface Machine {
  readonly platform: string;
  readonly arch: string;
  /** Version of Node.js' binary interface, such as `137` of Node.js 24. */
  readonly abi: string;
  /** Version of glibc; undefined with another C library, and on other systems than Linux. */
  readonly glibc: string | undefined;
}

const SYSTEMS = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win32-x64"];

/** Binary interfaces of Node.js 20, 22, 24 and 25. */
const ABIS = ["115", "127", "137", "141"];

/** What the current binaries need of glibc: 2.38. */
const GLIBC_MINOR = 38;

const OFFICIAL = "npm install uWebSockets.js@uNetworking/uWebSockets.js#v20.52.0";

/** Returns the name of the package with the binaries of a machine. */
export function namePlatformPackage({
  platform,
  arch,
}: Pick<Machine, "platform" | "arch">): string {
  return `@sluice/uws-${platform}-${arch}`;
}

/** Returns what to do on a machine where no binary loads. */
export function advise(machine: Machine, isInstalled: boolean): string {
  const { platform, arch, abi, glibc } = machine;
  if (!SYSTEMS.includes(`${platform}-${arch}`)) {
    return "There are binaries for Linux and macOS on x64 and arm64, and for Windows on x64.";
  }
  if (platform === "linux" && glibc === undefined) {
    return (
      "There is no binary for musl, the C library of Alpine Linux: use a system with glibc 2.38 " +
      "or newer, such as Debian 13, Ubuntu 24.04 or the image node:24-trixie-slim."
    );
  }
  if (!ABIS.includes(abi)) {
    return "There are binaries for Node.js 20, 22, 24 and 25: use one of these.";
  }
  if (!isInstalled) {
    return (
      `Install ${namePlatformPackage(machine)}: npm install sluice --include=optional ` +
      "(npm leaves it out with --omit=optional, or if the lock file was made on another system)."
    );
  }
  if (glibc !== undefined && isOlder(glibc)) {
    return (
      "On glibc 2.37 or older, use Node.js 20, a system with glibc 2.38 or newer (Debian 13, " +
      `Ubuntu 24.04), or, on glibc 2.33 to 2.37, an official build: ${OFFICIAL}.`
    );
  }
  return "Remove node_modules and install again.";
}

function isOlder(glibc: string): boolean {
  const [major = 0, minor = 0] = glibc.split(".").map(Number);
  return major < 2 || (major === 2 && minor < GLIBC_MINOR);
}
